import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { listProblems, MergeguardError } from '../tensors/errors.js';
import { optionProblems } from '../tensors/option-problems.js';

type Path = readonly PropertyKey[];

/** What a YAML file says, and where: errors name lines. */
export interface YamlOptions {
  /** null for an empty file */
  readonly value: unknown;
  /** the line, from 1, of the option at this path, or of the section around it where it is not written there */
  readonly lineOf: (path: Path) => number | null;
}

/**
 * @param fileName what error messages call it
 * @throws MergeguardError naming every line that is not YAML
 */
export function parseYaml(text: string, fileName: string): YamlOptions {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) {
    const problems = broken.map(({ pos, message }) => `line ${lines.linePos(pos[0]).line}: ${message}`);
    throw new MergeguardError(listProblems(`${fileName} is not valid YAML:`, problems));
  }
  return {
    value: plainValue(document, fileName),
    lineOf: (path) => {
      const offset = offsetOf(document, path);
      return offset === null ? null : lines.linePos(offset).line;
    },
  };
}

/**
 * Options as their schema has them, defaults filled in.
 * @param jsonSchema the same schema, for what messages say of known names and ranges
 * @throws MergeguardError naming every unknown option (with the nearest known one) and every wrong value
 */
export function checkOptions<Schema extends z.ZodType>(
  value: unknown,
  what: string,
  schema: Schema,
  jsonSchema: () => z.core.JSONSchema.BaseSchema,
  lineOf: YamlOptions['lineOf'] = () => null,
): z.output<Schema> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) {
    return result.data;
  }
  const problems = optionProblems(result.error.issues, jsonSchema())
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
