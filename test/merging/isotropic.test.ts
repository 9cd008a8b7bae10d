import fc from 'fast-check';
import { Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/tensors/index.js';
import { dense, largest, normals, slowParts, withValues } from '../spectral/matrices.js';
import { slowIsotropic } from './slow-spectral-merges.js';
import { expectNear, mergeMatrices, pools, randomMatrices, rounded, SHAPES } from './spectral-merges.js';

const runs = { seed: 42, numRuns: 60 };
const merge = (taus: readonly Matrix[]) => mergeMatrices('isotropic', taus);
const valuesOf = (matrix: Matrix) => slowParts(dense(matrix, Float64Array)).values;
const sumOf = (values: readonly number[]) => values.reduce((x, y) => x + y, 0);

describe('isotropic', () => {
  it.each(SHAPES)('equals the slow version on %i x %i, of 2 to 4 models', (rows, columns) => {
    for (const count of [2, 3, 4]) {
      for (let seed = 0; seed < 10; seed++) {
        const taus = randomMatrices([rows, columns], count, seed);
        expectNear(merge(taus), slowIsotropic(taus));
      }
    }
  });

  it('has equal singular values, that add up to those of the sum', () => {
    fc.assert(
      fc.property(pools, (taus) => {
        const values = valuesOf(merge(taus));
        const sum = sumOf(valuesOf(taus.reduce((all, tau) => Matrix.add(all, tau))));
        for (const value of values) {
          expect(value / (sum / values.length)).toBeCloseTo(1, 5);
        }
      }),
      runs,
    );
  });

  it('depends on the sum alone: a model merged with itself is one twice as long', () => {
    const [tau] = randomMatrices([7, 5], 1, 3) as [Matrix];
    expectNear(merge([tau, tau]), merge([Matrix.mul(tau, 2), Matrix.zeros(7, 5)]), 0);
    expectNear(merge([tau, tau]), slowIsotropic([tau, tau]));
  });

  it('gives no weight to directions that a sum of low rank does not have', () => {
    const random = new Random('low rank');
    const [one, other] = [1, 2].map(() => normals(9, 1, random).mmul(normals(1, 6, random))) as [
      Matrix,
      Matrix,
    ];
    const merged = merge([one, other]);
    expectNear(merged, slowIsotropic([one, other]));
    const values = valuesOf(merged);
    const mean = sumOf(valuesOf(Matrix.add(one, other))) / 2;
    expect(values[0]! / mean).toBeCloseTo(1, 5);
    expect(values[1]! / mean).toBeCloseTo(1, 5);
    expect(values[2]! / mean).toBeLessThan(1e-5);
  });

  it('is as good where the smallest direction is hardly more than rounding', () => {
    const tau = rounded(withValues(8, 6, [1, 0.5, 0.1, 1e-2, 1e-3, 1e-4], 3));
    expectNear(merge([tau, Matrix.zeros(8, 6)]), slowIsotropic([tau]));
  });

  it('makes nothing of models that cancel', () => {
    const [tau] = randomMatrices([5, 7], 1, 2) as [Matrix];
    expect(largest(merge([tau, Matrix.mul(tau, -1)]))).toBe(0);
  });
});
