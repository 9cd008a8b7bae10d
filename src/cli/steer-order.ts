import { MergeguardError } from '../tensors/errors.js';

/** A term as a `steer` message names it. */
export interface OrderedTerm {
  readonly term: string;
  readonly strength: number;
  readonly parameters?: Record<string, unknown>;
}

const FORM = 'TERM=STRENGTH[,PARAMETER=VALUE...], as in merge_simulation=0.5,every=2';

/**
 * Reads `TERM=STRENGTH[,PARAMETER=VALUE...]`. Whether there is such a term the guard of the run knows.
 * @throws MergeguardError where it is not of this form
 */
export function parseTerm(text: string): OrderedTerm {
  const [first, ...rest] = text.split(',').map(pairOf);
  if (first === null || first === undefined || rest.includes(null)) {
    throw new MergeguardError(`"${text}" is not ${FORM}`);
  }
  const [term, given] = first;
  const strength = readValue(given);
  if (typeof strength !== 'number') {
    throw new MergeguardError(`the strength in "${text}" is ${JSON.stringify(given)}, but must be a number`);
  }
  const pairs = rest.filter((pair) => pair !== null);
  const twice = pairs.find(([name], i) => pairs.findIndex(([other]) => other === name) < i);
  if (twice) {
    throw new MergeguardError(`the parameter ${twice[0]} is given twice in "${text}"`);
  }
  if (pairs.some(([name]) => name === 'strength')) {
    throw new MergeguardError(
      `"${text}" has strength among the parameters; it is what follows the term: ${FORM}`,
    );
  }
  const parameters = Object.fromEntries(pairs.map(([name, value]) => [name, readValue(value)]));
  return pairs.length === 0 ? { term, strength } : { term, strength, parameters };
}

function pairOf(text: string): [string, string] | null {
  const match = /^([^=\s]+)=([^=\s]+)$/.exec(text.trim());
  return match === null ? null : [match[1]!, match[2]!];
}

/** A number or a truth value where it reads like one. */
function readValue(text: string): number | boolean | string {
  if (text === 'true' || text === 'false') {
    return text === 'true';
  }
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}
