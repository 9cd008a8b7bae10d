import { Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { singularTriplets } from '../../src/spectral/index.js';
import { MergeguardError, Random } from '../../src/tensors/index.js';
import { dense, expectOrthonormal, largest, matrixOf, normals, slowParts, withValues } from './matrices.js';

/** Values and the products of left and right vectors against the slow decomposition, both to a share. */
function expectTriplets(matrix: Matrix, most: number, count: number, share: number): void {
  const given = dense(matrix, Float64Array);
  const { values, left, right } = singularTriplets(given, most);
  expect([left.rows, left.columns]).toEqual([count, matrix.rows]);
  expect([right.rows, right.columns]).toEqual([count, matrix.columns]);
  const [u, v] = [matrixOf(left.data, matrix.rows), matrixOf(right.data, matrix.columns)];
  expectOrthonormal(u.transpose(), share);
  expectOrthonormal(v.transpose(), share);
  const slow = slowParts(given);
  expect(values).toHaveLength(count);
  values.forEach((value, i) => {
    expect(Math.abs(value - slow.values[i]!)).toBeLessThanOrEqual(share * slow.values[0]!);
    const expected = slow.left.getColumnVector(i).mmul(slow.right.getColumnVector(i).transpose());
    const found = u.getRowVector(i).transpose().mmul(v.getRowVector(i));
    expect(largest(Matrix.sub(found, expected))).toBeLessThanOrEqual(share);
  });
}

describe('singularTriplets', () => {
  it.each([
    [1, 1],
    [1, 7],
    [7, 1],
    [6, 6],
    [40, 30],
    [30, 40],
  ])('%i x %i: all of them, and the first', (rows, columns) => {
    const n = Math.min(rows, columns);
    const matrix = normals(rows, columns, new Random('triplets', rows, columns));
    expectTriplets(matrix, n, n, 1e-8);
    expectTriplets(matrix, n + 5, n, 1e-8);
    expectTriplets(matrix, Math.ceil(n / 3), Math.ceil(n / 3), 1e-8);
  });

  it.each([
    [9, 6],
    [6, 9],
    [6, 6],
  ])('%i x %i: those that are small too, where squares of them would be rounding', (rows, columns) => {
    expectTriplets(withValues(rows, columns, [1, 0.3, 1e-2, 1e-3, 1e-4, 1e-5], 8), 6, 6, 1e-8);
  });

  it('has as many as stand out of rounding', () => {
    for (const last of [0, 1e-8]) {
      expectTriplets(withValues(9, 6, [4, 2, last], 2), 6, 2, 1e-8);
    }
    expect(singularTriplets(dense(Matrix.zeros(3, 4), Float32Array), 2).values).toHaveLength(0);
  });

  it('keeps vectors apart whose values are nearly one', () => {
    const values = Array.from({ length: 12 }, (_, i) => 1 + 1e-9 * i);
    for (const near of [values, [100, ...values], Array(8).fill(3)]) {
      const matrix = withValues(20, 14, near, 5);
      const { values: found, left, right } = singularTriplets(dense(matrix, Float64Array), 14);
      const [u, v] = [matrixOf(left.data, 20), matrixOf(right.data, 14)];
      expectOrthonormal(u.transpose(), 1e-9);
      expectOrthonormal(v.transpose(), 1e-9);
      const again = u
        .transpose()
        .mmul(Matrix.diag([...found]))
        .mmul(v);
      expect(largest(Matrix.sub(again, matrix))).toBeLessThan(1e-11 * near[0]!);
    }
  });

  it('refuses values that are not finite', () => {
    const matrix = { rows: 1, columns: 2, data: Float32Array.of(1, Number.NaN) };
    expect(() => singularTriplets(matrix, 1)).toThrow(MergeguardError);
    expect(() => singularTriplets(matrix, 1)).toThrow('the value NaN (at 1)');
  });
});
