import { readFileSync } from 'node:fs';
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { listProblems, MergeguardError } from '../tensors/index.js';
import { configProblems } from './config-problems.js';
import { configJsonSchema, configSchema, type GuardConfig, type GuardConfigInput } from './config-schema.js';

type Path = readonly PropertyKey[];

/**
 * The configuration with every default filled in.
 * @throws MergeguardError naming every unknown option (with the nearest known one) and every wrong value
 */
export function resolveConfig(options: GuardConfigInput = {}): GuardConfig {
  return check(options, 'configuration', () => null);
}

/**
 * Reads the text of a guard.yaml; an empty text is the defaults.
 * @param fileName what error messages call it
 * @throws MergeguardError naming every problem at once, each with its line
 */
export function parseConfig(text: string, fileName: string): GuardConfig {
  return resolveConfig(parseOptions(text, fileName));
}

/** The same without the defaults: what the file itself says. */
function parseOptions(text: string, fileName: string): GuardConfigInput {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) {
    const problems = broken.map(({ pos, message }) => `line ${lines.linePos(pos[0]).line}: ${message}`);
    throw new MergeguardError(listProblems(`${fileName} is not valid YAML:`, problems));
  }
  const options = plainValue(document, fileName) ?? {};
  check(options, fileName, (path) => {
    const offset = offsetOf(document, path);
    return offset === null ? null : lines.linePos(offset).line;
  });
  return options;
}

/**
 * Reads a guard.yaml; without a path, the defaults.
 * @throws MergeguardError when it can't be read or holds anything wrong
 */
export function loadConfig(path?: string): GuardConfig {
  return resolveConfig(path === undefined ? {} : readOptions(path));
}

/**
 * What a guard.yaml says, checked, without the defaults.
 * @throws MergeguardError when it can't be read or holds anything wrong
 */
export function readOptions(path: string): GuardConfigInput {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new MergeguardError(
      `can't read the configuration ${path}: ${(error as Error).message}; give the path of a guard.yaml, or none for the defaults`,
    );
  }
  return parseOptions(text, path);
}

function check(value: unknown, what: string, lineOf: (path: Path) => number | null): GuardConfig {
  const result = configSchema.safeParse(value, { reportInput: true });
  if (result.success) {
    return result.data;
  }
  const problems = configProblems(result.error.issues, configJsonSchema())
    .map(({ path, text }) => ({ line: lineOf(path), text }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const heading = `${what}: ${problems.length === 1 ? 'one option is' : `${problems.length} options are`} wrong:`;
  const sentences = problems.map(({ line, text }) => (line === null ? text : `line ${line}: ${text}`));
  throw new MergeguardError(listProblems(heading, sentences, sentences.length));
}

/** Aliases are resolved here, where too many of them, or one that leads nowhere, is found out. */
function plainValue(document: Document.Parsed, fileName: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw new MergeguardError(`${fileName} is not valid YAML: ${(error as Error).message}`);
  }
}

/** Where the key of this path begins in the text, or that of the section around it where it is not written there. */
function offsetOf(document: Document.Parsed, path: Path): number | null {
  for (let length = path.length; length > 0; length--) {
    const parent = length > 1 ? document.getIn(path.slice(0, length - 1), true) : document.contents;
    const pair = isMap(parent)
      ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(path[length - 1]))
      : undefined;
    if (isScalar(pair?.key) && pair.key.range) {
      return pair.key.range[0];
    }
  }
  return document.contents?.range[0] ?? null;
}
