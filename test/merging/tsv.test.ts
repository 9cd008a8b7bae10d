import fc from 'fast-check';
import { Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/tensors/index.js';
import { dense, normals, orthonormal, slowParts } from '../spectral/matrices.js';
import { bestOfRank, slowTsv } from './slow-spectral-merges.js';
import { expectNear, mergeMatrices, pools, randomMatrices, SHAPES } from './spectral-merges.js';

const runs = { seed: 41, numRuns: 60 };
const merge = (taus: readonly Matrix[]) => mergeMatrices('tsv', taus);

describe('tsv', () => {
  it.each(SHAPES)('equals the slow version on %i x %i, of 2 to 4 models', (rows, columns) => {
    for (const count of [2, 3, 4]) {
      for (let seed = 0; seed < 10; seed++) {
        const taus = randomMatrices([rows, columns], count, seed);
        expectNear(merge(taus), slowTsv(taus), 1e-5);
      }
    }
  });

  it('takes no part that is longer than the longest of the models', () => {
    fc.assert(
      fc.property(pools, (taus) => {
        const norm = (matrix: Matrix) => slowParts(dense(matrix, Float64Array)).values[0]!;
        expect(norm(merge(taus))).toBeLessThanOrEqual(Math.max(...taus.map(norm)) * (1 + 1e-6));
      }),
      runs,
    );
  });

  it('gives the best approximation of its share of the rank for a model merged with itself', () => {
    fc.assert(
      fc.property(pools, (taus) => {
        const [tau] = taus as [Matrix];
        const share = Math.max(1, Math.floor(Math.min(tau.rows, tau.columns) / taus.length));
        expectNear(merge(taus.map(() => tau)), bestOfRank(tau, share), 1e-6);
      }),
      runs,
    );
  });

  it('leaves a model its share beside one that did not change anything', () => {
    const [tau] = randomMatrices([9, 6], 1, 1) as [Matrix];
    expectNear(merge([Matrix.zeros(9, 6), tau]), bestOfRank(tau, 3));
    expectNear(merge([tau, Matrix.zeros(9, 6), Matrix.zeros(9, 6)]), bestOfRank(tau, 2));
  });

  it('adds models of low rank that have no direction in common', () => {
    const random = new Random('apart');
    const [left, right] = [orthonormal(12, 6, random), orthonormal(9, 6, random)];
    const part = (from: number) =>
      left
        .subMatrix(0, 11, from, from + 1)
        .mmul(Matrix.diag([3, 1]))
        .mmul(right.subMatrix(0, 8, from, from + 1).transpose());
    const taus = [part(0), part(2), part(4)];
    expectNear(merge(taus), Matrix.add(Matrix.add(taus[0]!, taus[1]!), taus[2]!));
  });

  it('stays in the subspaces of models that share them', () => {
    const random = new Random('shared');
    const [left, right] = [orthonormal(12, 3, random), orthonormal(10, 3, random)];
    const taus = [1, 2].map(() => left.mmul(normals(3, 3, random)).mmul(right.transpose()));
    const merged = merge(taus);
    expectNear(merged, slowTsv(taus), 1e-5);
    expectNear(left.mmul(left.transpose()).mmul(merged).mmul(right).mmul(right.transpose()), merged, 1e-5);
  });

  it('has no more directions than models of low rank have together, however large their shares', () => {
    // LoRA of rank 1, three times in other directions, and a share of two directions each.
    const random = new Random('low rank');
    const taus = [1, 2, 3].map(() => normals(8, 1, random).mmul(normals(1, 6, random)));
    const merged = merge(taus);
    expectNear(merged, slowTsv(taus), 1e-5);
    const { values } = slowParts(dense(merged, Float64Array));
    expect(values.filter((value) => value > 1e-5 * values[0]!)).toHaveLength(3);
  });
});
