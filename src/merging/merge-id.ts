import { listProblems, MergeguardError, nearest } from '../tensors/index.js';
import { type MergeMethod, type Parameters, readParameters } from './merge-method.js';

/** Numbers of a list in an id: `weights=0.3:0.7`. */
const SEPARATOR = ':';

/** The parameters that the parts of an id behind its name set: a bare value the main one, others `name=value`. */
export function readValues(method: MergeMethod, id: string, parts: readonly string[]): Parameters {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  parts.forEach((part, at) => {
    const equals = part.indexOf('=');
    if (equals < 0 && (at > 0 || method.idParameter === null)) {
      problems.push(
        method.idParameter === null
          ? `${method.name} takes no value without a name`
          : `it has more than one value without a name; write others as ${method.idParameter}=${part}`,
      );
      return;
    }
    const name = equals < 0 ? (method.idParameter as string) : part.slice(0, equals);
    const read = readValue(method, name, part.slice(equals + 1));
    if (typeof read === 'string') {
      problems.push(read);
    } else if (Object.hasOwn(values, name)) {
      problems.push(`${name} is set twice`);
    } else {
      values[name] = read.value;
    }
  });
  if (problems.length > 0) {
    throw new MergeguardError(
      problems.length === 1
        ? `merge method "${id}": ${problems[0]}`
        : listProblems(`merge method "${id}":`, problems),
    );
  }
  return values;
}

/**
 * A parameter's value as people write it: a number, a word, true or false, or numbers with a colon between; or what is
 * wrong.
 */
export function readValue(method: MergeMethod, name: string, text: string): { value: unknown } | string {
  const known = Object.keys(method.parameters.shape);
  if (!known.includes(name)) {
    const meant = nearest(name, known);
    const hint = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
    return `${method.name} has no parameter "${name}"; ${meant === null ? hint : `did you mean ${meant}?`}`;
  }
  const standard = readParameters(method, {})[name];
  if (typeof standard === 'boolean') {
    return text === 'true' || text === 'false'
      ? { value: text === 'true' }
      : `${name} "${text}" is neither true nor false`;
  }
  if (typeof standard === 'string') {
    return { value: text };
  }
  if (Array.isArray(standard)) {
    const numbers = text.split(SEPARATOR).map(numberIn);
    return numbers.every(Number.isFinite)
      ? { value: numbers }
      : `${name} "${text}" is not a list of numbers, as in ${name}=0.3${SEPARATOR}0.7`;
  }
  const number = numberIn(text);
  return Number.isFinite(number)
    ? { value: number }
    : `${name} "${text}" is not a number, as in ${method.name}@${name}=0.5`;
}

function numberIn(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

/** The id with what differs from the defaults, in the order of the schema; the main parameter without its name. */
export function writeId(method: MergeMethod, parameters: Parameters): string {
  const standard = readParameters(method, {});
  const parts = [method.name];
  const { idParameter } = method;
  const names = Object.keys(method.parameters.shape).filter((name) => name !== idParameter);
  for (const name of idParameter === null ? names : [idParameter, ...names]) {
    const value = parameters[name];
    if (JSON.stringify(value) !== JSON.stringify(standard[name])) {
      const text = Array.isArray(value) ? value.join(SEPARATOR) : String(value);
      parts.push(name === idParameter && !Array.isArray(value) ? text : `${name}=${text}`);
    }
  }
  return parts.join('@');
}
