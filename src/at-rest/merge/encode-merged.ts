import { type Dtype, MergeguardError } from '../../tensors/index.js';
import type { Values } from '../named-checkpoint.js';

/** A value of a merge that its dtype can not hold: with a smaller coefficient it may. */
export class MergeOverflowError extends MergeguardError {
  override name = 'MergeOverflowError';
}

/**
 * What a magnitude must be under to be finite in a dtype: halfway from the largest number to what would be the next, less what rounding to
 * float32 before may add.
 */
const LIMITS: Partial<Record<Dtype, number>> = {
  F32: (2 - 2 ** -24) * 2 ** 127,
  F16: 65520 - 2 ** -9,
  BF16: (2 - 2 ** -8) * 2 ** 127 - 2 ** 103,
};

/**
 * What is to be written of a stretch: base + scale * merged, rounded to float32 once, or not at all where it stays in float64.
 * @param merged is overwritten
 * @throws MergeOverflowError where a value is not finite in the dtype
 */
export function addToBase(
  base: Values,
  merged: Float32Array,
  scale: number,
  dtype: Dtype,
  name: string,
): Values {
  const values = dtype === 'F64' ? new Float64Array(base.length) : merged;
  const limit = limitOf(dtype);
  for (let i = 0; i < values.length; i++) {
    values[i] = base[i]! + scale * merged[i]!;
    if (!(Math.abs(values[i]!) < limit)) {
      throw overflow(name, values[i]!, dtype);
    }
  }
  return values;
}

/** @throws MergeOverflowError where a finite value is none in the dtype */
export function checkRange(values: Values, dtype: Dtype, name: string): void {
  const limit = limitOf(dtype);
  for (const value of values) {
    if (Number.isFinite(value) && Math.abs(value) >= limit) {
      throw overflow(name, value, dtype);
    }
  }
}

/** What magnitudes must stay under to be finite in a dtype. */
export function limitOf(dtype: Dtype): number {
  return LIMITS[dtype] ?? Number.POSITIVE_INFINITY;
}

export function overflow(name: string, value: number, dtype: Dtype): MergeOverflowError {
  return new MergeOverflowError(
    `${name} of the merged model would hold ${value}, which is no finite number in ${dtype}; write a wider dtype, or merge with smaller coefficients`,
  );
}
