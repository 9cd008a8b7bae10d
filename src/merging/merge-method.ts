import type { z } from 'zod';
import { listProblems, MergeguardError } from '../tensors/index.js';
import { type Combination, combine } from './combination.js';

/** One tensor of the models that are merged. */
export interface TensorToMerge {
  /** canonical */
  readonly name: string;
  readonly shape: readonly number[];
  /** [k] what each model added to the base, fine-tuned minus base; finite */
  readonly taus: readonly Float32Array[];
  /** the base's values; null where the method does not ask for them */
  readonly base: Float32Array | null;
}

/** Looks at all tensors before the first of them is merged: as often as it has passes, in the same order each time. */
export interface Survey<Known> {
  readonly passes: number;
  /** @param pass from 0 */
  visit(tensor: TensorToMerge, pass: number): void;
  /** What `mergeTensor` is given; plain data, so that a thread can be told too. */
  result(): Known;
}

/** What every method says of itself. */
interface Definition<Schema extends z.ZodObject> {
  readonly name: string;
  /** its parameters with their ranges and defaults */
  readonly parameters: Schema;
  /** the parameter that the value of an id `name@value` sets; null where there is none */
  readonly idParameter: (keyof z.infer<Schema> & string) | null;
  /** paper, and the code whose conventions it follows */
  readonly source: string;
  /** how many models it can merge with these parameters; defaults to two or more */
  readonly models?: (parameters: z.infer<Schema>) => ModelCount;
}

/** What a method says of itself whose merge is a sum; `defineCombination` makes a MergeMethod of it. */
export interface CombinationDefinition<Schema extends z.ZodObject> extends Definition<Schema> {
  /** @param count of the models, which `models` has let pass */
  combination(parameters: z.infer<Schema>, count: number): Combination;
}

/** What any other says of itself; `defineMethod` makes a MergeMethod of it. */
export interface MethodDefinition<Schema extends z.ZodObject, Known> extends Definition<Schema> {
  /** whether it asks for the base's values; defaults to no */
  readonly needsBase?: boolean;
  /** whether it decomposes matrices, which is work for threads; defaults to no */
  readonly decomposes?: boolean;
  /**
   * whether with these parameters a merged value depends on nothing but the values at its own place and what the survey
   * found: then a tensor, and what the survey sees of it, may come in stretches; defaults to no
   */
  readonly elementwise?: (parameters: z.infer<Schema>) => boolean;
  /** what must be known of all tensors together; defaults to nothing */
  readonly survey?: (parameters: z.infer<Schema>) => Survey<Known>;
  /**
   * The merged task vector of one tensor: base + it is the merged model's. Does not depend on the order of the models,
   * but where parameters speak of a first one. Sums are float64, rounded once. Pure: inputs stay as they are.
   */
  mergeTensor(tensor: TensorToMerge, parameters: z.infer<Schema>, known: Known): Float32Array;
}

/** Both inclusive; `most` is Infinity where there is no limit. */
export interface ModelCount {
  readonly least: number;
  readonly most: number;
}

/** The values of a method's parameters by their names, defaults filled in. */
export type Parameters = Readonly<Record<string, unknown>>;

/** A way to make one model out of several that were fine-tuned from the same base. */
export interface MergeMethod {
  readonly name: string;
  readonly parameters: z.ZodObject;
  readonly idParameter: string | null;
  readonly source: string;
  readonly needsBase: boolean;
  readonly decomposes: boolean;
  elementwise(parameters: Parameters): boolean;
  models(parameters: Parameters): ModelCount;
  /** the sum that the merge of so many models is; null: it is none */
  combination(parameters: Parameters, count: number): Combination | null;
  /** null: it needs to know nothing beforehand */
  survey(parameters: Parameters): Survey<unknown> | null;
  mergeTensor(tensor: TensorToMerge, parameters: Parameters, known: unknown): Float32Array;
}

const ANY_NUMBER: ModelCount = { least: 2, most: Number.POSITIVE_INFINITY };

/** Fills in the defaults. Parameters that come in must have been read by the method's own schema: `readParameters`. */
export function defineMethod<Schema extends z.ZodObject, Known = null>(
  definition: MethodDefinition<Schema, Known>,
): MergeMethod {
  const { name, parameters, idParameter, source, needsBase = false, decomposes = false } = definition;
  type Values = z.infer<Schema>;
  return {
    name,
    parameters,
    idParameter,
    source,
    needsBase,
    decomposes,
    elementwise: (values) => definition.elementwise?.(values as Values) ?? false,
    models: (values) => definition.models?.(values as Values) ?? ANY_NUMBER,
    survey: (values) => definition.survey?.(values as Values) ?? null,
    combination: () => null,
    mergeTensor: (tensor, values, known) => definition.mergeTensor(tensor, values as Values, known as Known),
  };
}

/** The same for a method whose merge is a sum: elementwise, and with nothing to know beforehand. */
export function defineCombination<Schema extends z.ZodObject>({
  combination,
  ...definition
}: CombinationDefinition<Schema>): MergeMethod {
  return {
    ...defineMethod({
      ...definition,
      elementwise: () => true,
      mergeTensor: ({ taus }, parameters) => combine(taus, combination(parameters, taus.length)),
    }),
    combination: (parameters, count) => combination(parameters as z.infer<Schema>, count),
  };
}

/** The parameters with defaults filled in; every one that is unknown or out of range is in the one error. */
export function readParameters(
  { name, parameters: schema }: MergeMethod,
  given: Readonly<Record<string, unknown>>,
): Parameters {
  const read = schema.safeParse(given);
  if (!read.success) {
    const problems = read.error.issues.map(({ path, message }) =>
      path.length === 0 ? message : `${path.join('.')} = ${String(given[String(path[0])])}: ${message}`,
    );
    throw new MergeguardError(listProblems(`parameters of merge method ${name}:`, problems));
  }
  return read.data;
}
