import { MergeguardError, type NamedTensors, nearest } from '../tensors/index.js';
import { methodCalled } from '../tensors/merge-method-name.js';
import { dare } from './dare.js';
import { isotropic } from './isotropic.js';
import { linear } from './linear.js';
import { readValues, writeId } from './merge-id.js';
import { type MergeMethod, type Parameters, readParameters } from './merge-method.js';
import { mergeTaus } from './merge-taus.js';
import { slerp } from './slerp.js';
import { taskArithmetic } from './task-arithmetic.js';
import { ties } from './ties.js';
import { tsv } from './tsv.js';
import { weightAvg } from './weight-avg.js';

/** Every merge method. Adding one is adding a file and a line here. */
export const MERGE_METHODS: readonly MergeMethod[] = [
  weightAvg,
  taskArithmetic,
  ties,
  dare,
  linear,
  slerp,
  tsv,
  isotropic,
];

/** Those of the study that fingerprints know. */
export const FINGERPRINT_METHODS: readonly string[] = [
  'weight_avg',
  'task_arithmetic',
  'ties',
  'dare',
  'tsv',
  'isotropic',
];

/** A merge method with its parameters settled. */
export interface ConfiguredMerge {
  /** canonical: no alias, and only what differs from the defaults; `mergeMethod` reads it back */
  readonly id: string;
  readonly method: MergeMethod;
  /** every parameter, a seed included */
  readonly parameters: Parameters;
  /** the merged task vector of models in memory, see mergeTaus */
  merge(taus: readonly NamedTensors[], base?: NamedTensors): NamedTensors;
}

/**
 * Reads a method id: `ties`; `task_arithmetic@0.6`, where the value sets the method's main parameter; or with any
 * parameters by name, `ties@0.6@density=0.1`. Unknown methods and parameters, values that are of another kind or out
 * of range, and a value for a method that has none are errors.
 */
export function mergeMethod(id: string): ConfiguredMerge {
  const [written = '', ...values] = id.split('@');
  const method = methodOf(written);
  return configure(method, readValues(method, id, values));
}

/** The method with these parameters and its defaults for the others. @throws MergeguardError with all that is wrong */
export function configureMerge(
  name: string,
  parameters: Readonly<Record<string, unknown>> = {},
): ConfiguredMerge {
  return configure(methodOf(name), parameters);
}

function methodOf(written: string): MergeMethod {
  const name = methodCalled(written);
  const method = MERGE_METHODS.find((entry) => entry.name === name);
  if (method === undefined) {
    const known = MERGE_METHODS.map((entry) => entry.name);
    const meant = nearest(written, known);
    const hint = meant === null ? 'known' : `did you mean ${meant}? Known`;
    throw new MergeguardError(`unknown merge method "${written}"; ${hint} are ${known.join(', ')}`);
  }
  return method;
}

function configure(method: MergeMethod, given: Readonly<Record<string, unknown>>): ConfiguredMerge {
  const parameters = readParameters(method, given);
  return {
    id: writeId(method, parameters),
    method,
    parameters,
    merge: (taus, base) => mergeTaus(method, parameters, taus, base ?? null),
  };
}
