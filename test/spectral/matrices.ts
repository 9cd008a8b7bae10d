import { Matrix, QrDecomposition, SVD } from 'ml-matrix';
import { expect } from 'vitest';
import type { DenseMatrix, SpectralParts } from '../../src/spectral/index.js';
import { Random } from '../../src/tensors/index.js';

/** [rows, columns] of standard normal numbers */
export function normals(rows: number, columns: number, random: Random): Matrix {
  return Matrix.from1DArray(
    rows,
    columns,
    Array.from({ length: rows * columns }, () => random.normal()),
  );
}

/** [n, k] orthonormal columns in random directions */
export function orthonormal(n: number, k: number, random: Random): Matrix {
  return new QrDecomposition(normals(n, k, random)).orthogonalMatrix;
}

/** A matrix of these singular values (those that are not given are 0) with random singular vectors. */
export function withValues(rows: number, columns: number, values: readonly number[], seed: number): Matrix {
  const random = new Random('with values', seed);
  const left = orthonormal(rows, values.length, random);
  const right = orthonormal(columns, values.length, random);
  return left.mmul(Matrix.diag([...values])).mmul(right.transpose());
}

export function dense(matrix: Matrix, Kind: typeof Float32Array | typeof Float64Array): DenseMatrix {
  return { rows: matrix.rows, columns: matrix.columns, data: Kind.from(matrix.to1DArray()) };
}

export function matrixOf(data: ArrayLike<number>, columns: number): Matrix {
  const rows = columns > 0 ? data.length / columns : 0;
  return Matrix.from1DArray(rows, columns, Array.from(data));
}

/** Largest magnitude of a matrix' entries. */
export function largest(matrix: Matrix): number {
  return matrix.to1DArray().reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

export function expectOrthonormal(basis: Matrix, error = 1e-12): void {
  expect(largest(basis.transpose().mmul(basis).sub(Matrix.eye(basis.columns)))).toBeLessThan(error);
}

/** Sine of the largest angle between two subspaces of one dimension, by their projections (or a little more). */
export function angle(one: Matrix, other: Matrix): number {
  return one.mmul(one.transpose()).sub(other.mmul(other.transpose())).norm('frobenius');
}

export interface Reference {
  readonly values: number[];
  readonly left: Matrix;
  readonly right: Matrix;
}

/** The slow obvious decomposition, thin: [rows, n], [columns, n]. */
export function slowParts({ rows, columns, data }: DenseMatrix): Reference {
  const n = Math.min(rows, columns);
  const svd = new SVD(matrixOf(data, columns), { autoTranspose: true });
  const { leftSingularVectors: left, rightSingularVectors: right } = svd;
  return {
    values: svd.diagonal.slice(0, n),
    left: left.subMatrix(0, rows - 1, 0, n - 1),
    right: right.subMatrix(0, columns - 1, 0, n - 1),
  };
}

const columnsOf = (matrix: Matrix, from: number, to: number) =>
  matrix.subMatrix(0, matrix.rows - 1, from, to - 1);

/** By how much a number of this size is off for rounding. */
const ROUNDING = 2e-14;

/**
 * Holds the parts of a matrix against the slow ones. A singular value may be off by a rounding error of the largest, by way of
 * the Gram matrix by that of its square; a subspace by that over the gap between it and the rest.
 */
export function expectParts(
  matrix: DenseMatrix,
  found: SpectralParts,
  { k, precise }: { k: number; precise: boolean },
): void {
  const slow = slowParts(matrix);
  const { rows, columns } = matrix;
  const n = Math.min(rows, columns);
  const [top] = slow.values as [number];
  const share = slow.values.map((value) => value / top);
  expect(found.values).toHaveLength(Math.min(n, 100));
  found.values.forEach((value, i) => {
    const error = precise ? ROUNDING : Math.min(ROUNDING / share[i]!, Math.sqrt(ROUNDING));
    expect(Math.abs(value / top - share[i]!), `value ${i}`).toBeLessThan(error * Math.sqrt(n));
    expect(value).toBeLessThanOrEqual(i === 0 ? value : found.values[i - 1]!);
    expect(value).toBeGreaterThanOrEqual(0);
  });
  const noise = Math.max(rows, columns) * 2 ** -23;
  const rank = share.filter((value) => value > noise).length;
  expect(found.k).toBe(Math.min(k, rank));
  const [left, right] = [matrixOf(found.left, found.k), matrixOf(found.right, found.k)];
  expect([left.rows, right.rows]).toEqual([rows, columns]);
  expectOrthonormal(left);
  expectOrthonormal(right);
  const next = share[found.k] ?? 0;
  const gap = share[found.k - 1]! - next;
  const error = (ROUNDING * n) / (precise ? gap : gap * (share[found.k - 1]! + next));
  expect(angle(left, columnsOf(slow.left, 0, found.k)), 'left').toBeLessThan(error);
  expect(angle(right, columnsOf(slow.right, 0, found.k)), 'right').toBeLessThan(error);
}

/** Holds the bottom of a matrix, which must be there, against the slow one. */
export function expectBottom(matrix: DenseMatrix, found: SpectralParts, k: number): void {
  const slow = slowParts(matrix);
  const n = slow.values.length;
  const width = Math.min(k, n);
  const bottom = matrixOf(found.bottom!, width);
  expect(bottom.rows).toBe(matrix.columns);
  expectOrthonormal(bottom);
  const gap = n > width ? (slow.values[n - width - 1]! - slow.values[n - width]!) / slow.values[0]! : 1;
  // Vectors of a wide matrix' longer side are divided by the singular value.
  const condition = matrix.rows < matrix.columns ? slow.values[0]! / slow.values[n - 1]! : 1;
  const error = (ROUNDING * n * condition) / gap + 1e-7;
  expect(angle(bottom, columnsOf(slow.right, n - width, n))).toBeLessThan(error);
}
