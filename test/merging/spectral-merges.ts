import fc from 'fast-check';
import { Matrix } from 'ml-matrix';
import { expect } from 'vitest';
import { configureMerge } from '../../src/merging/index.js';
import { Random } from '../../src/tensors/index.js';
import { largest, matrixOf, normals } from '../spectral/matrices.js';

export const SHAPES: readonly (readonly [number, number])[] = [
  [1, 1],
  [1, 6],
  [6, 1],
  [5, 5],
  [9, 4],
  [4, 9],
  [13, 12],
];

/** Matrices of one shape, whose values float32 holds. */
export function randomMatrices(shape: readonly [number, number], count: number, seed: number): Matrix[] {
  const random = new Random('spectral merges', ...shape, count, seed);
  return Array.from({ length: count }, () => rounded(normals(shape[0], shape[1], random)));
}

/** 2 to 4 matrices of one of the shapes */
export const pools = fc
  .tuple(fc.constantFrom(...SHAPES), fc.integer({ min: 2, max: 4 }), fc.nat(1e6))
  .map(([shape, count, seed]) => randomMatrices(shape, count, seed));

export function rounded(matrix: Matrix): Matrix {
  return matrixOf(Float32Array.from(matrix.to1DArray()), matrix.columns);
}

/** The merge of task vectors that are one matrix, rounded to float32 as they are handed over. */
export function mergeMatrices(
  name: string,
  taus: readonly Matrix[],
  parameters: Readonly<Record<string, unknown>> = {},
): Matrix {
  const [{ rows, columns }] = taus as [Matrix];
  const shape = [rows, columns];
  const given = taus.map((tau) => new Map([['w', { shape, data: Float32Array.from(tau.to1DArray()) }]]));
  return matrixOf(configureMerge(name, parameters).merge(given).get('w')!.data, columns);
}

/** Equal but for a share of the largest entry, which is rounding to float32 unless it is said. */
export function expectNear(found: Matrix, expected: Matrix, share = 1e-6): void {
  expect([found.rows, found.columns]).toEqual([expected.rows, expected.columns]);
  expect(largest(Matrix.sub(found, expected))).toBeLessThanOrEqual(share * largest(expected));
}
