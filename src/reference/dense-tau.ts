import { elementCount, type HostTensor } from '../tensors/index.js';
import type { Reference } from './reference.js';

/**
 * A reference's task vector of one tensor in full: products of low-rank factors are multiplied out, what fine-tuning has
 * left alone is zero.
 */
export function tauOf(
  reference: Reference,
  { name, shape }: { readonly name: string; readonly shape: readonly number[] },
): HostTensor {
  const stored = reference.tau.get(name);
  if (stored) {
    return stored;
  }
  const factors = reference.factors.get(name);
  return factors
    ? { shape, data: lowRankProduct(factors.left.data, factors.right.data, factors.right.shape[0]!) }
    : { shape, data: new Float32Array(elementCount(shape)) };
}

/** [out, r] times [r, in], row-major, summed in float64 and rounded once. O(out r in) */
export function lowRankProduct(
  left: ArrayLike<number>,
  right: ArrayLike<number>,
  rank: number,
): Float32Array {
  const rows = left.length / rank;
  const columns = right.length / rank;
  const result = new Float32Array(rows * columns);
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const weight = left[i * rank + r]!;
      for (let j = 0; j < columns; j++) {
        row[j]! += weight * right[r * columns + j]!;
      }
    }
    result.set(row, i * columns);
  }
  return result;
}
