import { Matrix, SVD } from 'ml-matrix';
import type { HostTensor } from '../tensors/index.js';
import type { Subspace } from './reference.js';

/** Singular values kept: `singular_value_overlap` compares the first 100 (METRICS: arXiv 2601.22285). */
export const SPECTRUM_LENGTH = 100;

const FLOAT32_EPSILON = 2 ** -23;

function leadingColumns(matrix: Matrix, k: number): HostTensor {
  const data = new Float32Array(matrix.rows * k);
  for (let row = 0; row < matrix.rows; row++) {
    for (let column = 0; column < k; column++) {
      data[row * k + column] = matrix.get(row, column);
    }
  }
  return { shape: [matrix.rows, k], data };
}

/**
 * Top-k singular subspaces and singular values of a matrix [out, in], by a float64 SVD; k is `most` or the
 * numerical rank, whichever is smaller. The rank counts the singular values that stand out of float32 rounding:
 * below that, singular vectors are noise. Null for a matrix of zeros. The values must be finite.
 */
export function topSubspace(
  { shape, data }: HostTensor,
  most: number,
): { subspace: Subspace; spectrum: Float64Array } | null {
  const [out, inputs] = shape as [number, number];
  let scale = 0;
  for (const value of data) {
    scale = Math.max(scale, Math.abs(value));
  }
  if (scale === 0) {
    return null;
  }
  // Scaled to a largest entry of 1: squares of tiny task vectors underflow.
  const matrix = new Matrix(out, inputs);
  for (let i = 0; i < data.length; i++) {
    matrix.set(Math.floor(i / inputs), i % inputs, data[i]! / scale);
  }
  const svd = new SVD(matrix, { autoTranspose: true });
  const values = svd.diagonal.slice(0, Math.min(out, inputs));
  const noise = values[0]! * Math.max(out, inputs) * FLOAT32_EPSILON;
  const rank = values.filter((value) => value > noise).length;
  const k = Math.min(most, rank);
  const spectrum = Float64Array.from(values.slice(0, SPECTRUM_LENGTH), (value) => value * scale);
  const subspace = {
    k,
    left: leadingColumns(svd.leftSingularVectors, k),
    right: leadingColumns(svd.rightSingularVectors, k),
  };
  return { subspace, spectrum };
}
