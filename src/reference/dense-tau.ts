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
    ? { shape, data: product(factors.left, factors.right) }
    : { shape, data: new Float32Array(elementCount(shape)) };
}

/** [out, r] times [r, in], summed in float64. O(out r in) */
function product(left: HostTensor, right: HostTensor): Float32Array {
  const [rows, rank] = left.shape;
  const columns = right.shape[1];
  const result = new Float32Array(rows * columns);
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const weight = left.data[i * rank + r];
      for (let j = 0; j < columns; j++) {
        row[j] += weight * right.data[r * columns + j];
      }
    }
    result.set(row, i * columns);
  }
  return result;
}
