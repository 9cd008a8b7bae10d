import type { z } from 'zod';
import { nearest } from './nearest.js';

type Schema = z.core.JSONSchema.BaseSchema;
type Path = readonly PropertyKey[];

/** One wrong option: where it is, and a sentence about it. */
export interface OptionProblem {
  readonly path: Path;
  readonly text: string;
}

/** Sentences for what zod found wrong; `schema` is the JSON Schema of the whole configuration. */
export function optionProblems(issues: readonly z.core.$ZodIssue[], schema: Schema): OptionProblem[] {
  const problems: OptionProblem[] = [];
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const path = [...issue.path, key];
        problems.push({ path, text: unknownOption(path, schema) });
      }
    } else if (issue.code === 'custom') {
      problems.push({ path: issue.path, text: `${dotted(issue.path)} ${issue.message}` });
    } else {
      const option = optionAt(schema, issue.path);
      const children = Object.keys(option?.properties ?? {});
      const hint = children.length > 0 ? `; its options: ${children.join(', ')}` : '';
      const text = `${dotted(issue.path)} is ${shown(issue.input)}, but must be ${expected(option)}${hint}`;
      problems.push({ path: issue.path, text });
    }
  }
  return problems;
}

/** "alerts.accuracy.below", "methods[1]"; "the configuration" at the top. */
function dotted(path: Path): string {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return text.replace(/^\./, '') || 'the configuration';
}

function unknownOption(path: Path, schema: Schema): string {
  const key = String(path.at(-1));
  const siblings = Object.keys(optionAt(schema, path.slice(0, -1))?.properties ?? {});
  // The very name in another section says more than a similar one in this.
  const elsewhere = allPaths(schema).find((known) => known.at(-1) === key);
  if (elsewhere !== undefined) {
    return `${dotted(path)} is unknown; did you mean ${dotted(elsewhere)}?`;
  }
  const sibling = nearest(key, siblings);
  if (sibling !== null) {
    return `${dotted(path)} is unknown; did you mean ${dotted([...path.slice(0, -1), sibling])}?`;
  }
  return `${dotted(path)} is unknown; known here: ${siblings.join(', ')}`;
}

/** The paths of all options and sections. */
function allPaths(schema: Schema, prefix: readonly string[] = []): string[][] {
  const paths: string[][] = [];
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const path = [...prefix, key];
    paths.push(path, ...allPaths(child as Schema, path));
  }
  return paths;
}

function optionAt(schema: Schema, path: Path): Schema | undefined {
  let at: Schema | undefined = schema;
  for (const key of path) {
    at = (typeof key === 'number' ? at?.items : at?.properties?.[String(key)]) as Schema | undefined;
  }
  return at;
}

/** `an integer from 1 to 64`, `"auto" or an integer of at least 1`. */
function expected(schema: Schema | undefined): string {
  if (schema === undefined) {
    return 'something else';
  }
  const options = (schema.anyOf ?? []) as Schema[];
  if (options.length > 0) {
    return options.map(expected).join(' or ');
  }
  if (schema.enum !== undefined) {
    return schema.enum.map((value) => JSON.stringify(value)).join(' or ');
  }
  if (schema.const !== undefined) {
    return JSON.stringify(schema.const);
  }
  const types = [schema.type ?? []].flat();
  return types.map((type) => typeWords(type, schema)).join(' or ');
}

function typeWords(type: string, schema: Schema): string {
  switch (type) {
    case 'boolean':
      return 'true or false';
    case 'integer':
      return `an integer${range(schema)}`;
    case 'number':
      return `a number${range(schema)}`;
    case 'string':
      return 'a non-empty text';
    case 'array':
      return `a list, each entry ${expected(schema.items as Schema)}`;
    case 'object':
      return 'a section with options (leave it out for the defaults)';
    default:
      return type;
  }
}

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  const bounds: string[] = [];
  if (minimum !== undefined) {
    bounds.push(`of at least ${minimum}`);
  }
  if (exclusiveMinimum !== undefined) {
    bounds.push(`above ${exclusiveMinimum}`);
  }
  // zod writes the largest safe integer where nobody set a limit
  if (maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER) {
    bounds.push(`at most ${maximum}`);
  }
  if (exclusiveMaximum !== undefined) {
    bounds.push(`below ${exclusiveMaximum}`);
  }
  return bounds.length > 0 ? ` ${bounds.join(' and ')}` : '';
}

/** The value as it would be written, with its type: `"high" (string)`. */
function shown(value: unknown): string {
  if (value === null || value === undefined) {
    return value === null ? 'empty (null)' : 'not given';
  }
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  const cut = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return `${cut} (${Array.isArray(value) ? 'list' : typeof value})`;
}
