import type { z } from 'zod';
import { listProblems, MergeguardError, type NamedTensors } from '../tensors/index.js';

/** A way to make one model out of k >= 2 models that were fine-tuned from the same base. */
export interface MergeMethod {
  readonly name: string;
  /** its parameters with their ranges and defaults */
  readonly parameters: z.ZodObject;
  /** the parameter that the value of an id `name@value` sets; null where there is none */
  readonly idParameter: string | null;
  /** paper, and the code whose conventions it follows */
  readonly source: string;
  /**
   * The merged task vector: base + it is the merged model. All `taus` (fine-tuned minus base, shared tensors)
   * must have the same names and shapes and be finite. Sums are float64, rounded once. Pure.
   */
  merge(taus: readonly NamedTensors[], parameters?: Readonly<Record<string, unknown>>): NamedTensors;
}

/** The parameters with defaults filled in; every one that is unknown or out of range is in the one error. */
export function readParameters<Schema extends z.ZodObject>(
  method: string,
  schema: Schema,
  parameters: Readonly<Record<string, unknown>>,
): z.infer<Schema> {
  const read = schema.safeParse(parameters);
  if (!read.success) {
    const problems = read.error.issues.map(({ path, message }) =>
      path.length === 0 ? message : `${path.join('.')} = ${String(parameters[String(path[0])])}: ${message}`,
    );
    throw new MergeguardError(listProblems(`parameters of merge method ${method}:`, problems));
  }
  return read.data;
}
