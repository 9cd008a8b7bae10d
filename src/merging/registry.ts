import { MergeguardError, type NamedTensors } from '../tensors/index.js';
import { methodCalled } from '../tensors/merge-method-name.js';
import { type MergeMethod, readParameters } from './merge-method.js';
import { taskArithmetic } from './task-arithmetic.js';
import { ties } from './ties.js';
import { weightAvg } from './weight-avg.js';

/** Every merge method. Adding one is adding a file and a line here. */
export const MERGE_METHODS: readonly MergeMethod[] = [weightAvg, taskArithmetic, ties];

/** A merge method with its parameters settled. */
export interface ConfiguredMerge {
  /** canonical: no alias, and a value only where it differs from the default */
  readonly id: string;
  readonly method: MergeMethod;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** the merged task vector, see MergeMethod.merge */
  merge(taus: readonly NamedTensors[]): NamedTensors;
}

/**
 * Reads a method id: `ties`, or `task_arithmetic@0.6` where the value sets the method's main parameter. Unknown
 * methods, values that are no number or out of range, and values for a method that has none are errors.
 */
export function mergeMethod(id: string): ConfiguredMerge {
  const [written = '', value, ...rest] = id.split('@');
  const name = methodCalled(written);
  const method = MERGE_METHODS.find((entry) => entry.name === name);
  if (method === undefined) {
    const known = MERGE_METHODS.map((entry) => entry.name).join(', ');
    throw new MergeguardError(`unknown merge method "${written}"; known are ${known}`);
  }
  if (rest.length > 0) {
    throw new MergeguardError(`merge method "${id}" has more than one value; write it as name@value`);
  }
  const parameters = readParameters(name, method.parameters, readValue(method, id, value));
  return {
    id: canonicalId(method, parameters),
    method,
    parameters,
    merge: (taus) => method.merge(taus, parameters),
  };
}

function readValue(method: MergeMethod, id: string, value: string | undefined): Record<string, number> {
  if (value === undefined) {
    return {};
  }
  if (method.idParameter === null) {
    throw new MergeguardError(`merge method "${id}": ${method.name} takes no value`);
  }
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (!Number.isFinite(number)) {
    throw new MergeguardError(
      `merge method "${id}": ${method.idParameter} "${value}" is not a number, as in ${method.name}@0.5`,
    );
  }
  return { [method.idParameter]: number };
}

function canonicalId(method: MergeMethod, parameters: Readonly<Record<string, unknown>>): string {
  if (method.idParameter === null) {
    return method.name;
  }
  const value = parameters[method.idParameter];
  const standard = readParameters(method.name, method.parameters, {})[method.idParameter];
  return value === standard ? method.name : `${method.name}@${String(value)}`;
}
