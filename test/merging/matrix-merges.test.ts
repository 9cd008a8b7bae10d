import fc from 'fast-check';
import { Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { configureMerge } from '../../src/merging/index.js';
import { Random } from '../../src/tensors/index.js';
import { largest, orthonormal } from '../spectral/matrices.js';
import { expectNear, mergeMatrices, pools } from './spectral-merges.js';

const runs = { seed: 43, numRuns: 60 };

describe.each(['tsv', 'isotropic'])('%s', (name) => {
  const merge = (taus: readonly Matrix[]) => mergeMatrices(name, taus);

  it('does not depend on the order of models', () => {
    fc.assert(
      fc.property(pools, (taus) => expectNear(merge([...taus].reverse()), merge(taus), 1e-5)),
      runs,
    );
  });

  it('scales and turns as the models do', () => {
    const scales = fc.constantFrom(-1, 3, -1e-15, 1e15);
    fc.assert(
      fc.property(pools, scales, (taus, scale) => {
        const { rows, columns } = taus[0]!;
        const random = new Random('turn', rows, columns);
        const [left, right] = [orthonormal(rows, rows, random), orthonormal(columns, columns, random)];
        const turn = (matrix: Matrix) => left.mmul(matrix).mmul(right).mul(scale);
        // Rounding the turned models changes their smallest directions, which may count as much as any.
        expectNear(merge(taus.map(turn)), turn(merge(taus)), 1e-3);
      }),
      runs,
    );
  });

  it('averages what is no matrix, and applies the coefficient to everything', () => {
    const taus = [1, 2].map((seed) => {
      const random = new Random('other tensors', seed);
      const values = (size: number) => Float32Array.from({ length: size }, () => random.normal());
      return new Map([
        ['bias', { shape: [4], data: values(4) }],
        ['kernel', { shape: [3, 2, 2, 2], data: values(24) }],
        ['weight', { shape: [4, 3], data: values(12) }],
        ['empty', { shape: [0, 3], data: values(0) }],
      ]);
    });
    const merged = configureMerge(name).merge(taus);
    for (const other of ['bias', 'kernel']) {
      expect(merged.get(other)).toEqual(configureMerge('weight_avg').merge(taus).get(other));
    }
    const doubled = configureMerge(name, { coefficient: 2 }).merge(taus);
    for (const [tensor, { data }] of merged) {
      expect(doubled.get(tensor)!.data).toEqual(data.map((value) => 2 * value));
    }
  });

  it('makes nothing of models that changed nothing', () => {
    expect(largest(merge([Matrix.zeros(4, 5), Matrix.zeros(4, 5)]))).toBe(0);
  });
});
