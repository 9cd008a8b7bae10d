import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configureMerge, mergeMethod } from '../../src/merging/index.js';
import type { NamedTensors } from '../../src/tensors/index.js';
import { fill, flat, randomTau, slow } from './slow-merges.js';

const runs = { seed: 20, numRuns: 60 };
/** 2 to 5 task vectors and their weights, whose sum is not near zero */
const weighted = fc
  .tuple(
    fc.integer({ min: 0, max: 1e6 }),
    fc.array(fc.double({ min: -2, max: 10, noNaN: true }), { minLength: 2, maxLength: 5 }),
  )
  .filter(([, weights]) => Math.abs(sum(weights)) > 0.1)
  .map(([seed, weights]) => ({ taus: weights.map((_, m) => randomTau(false, seed, m)), weights }));

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function expectClose(found: NamedTensors, expected: readonly number[]): void {
  flat(found).forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-6 * (1 + Math.abs(expected[i]!)));
  });
}

describe('linear', () => {
  it('is the weighted sum, over the sum of the weights unless told not to', () => {
    fc.assert(
      fc.property(weighted, ({ taus, weights }) => {
        const total = sum(weights);
        expectClose(
          configureMerge('linear', { weights }).merge(taus),
          slow.linear(
            taus.map(flat),
            weights.map((weight) => weight / total),
          ),
        );
        expectClose(
          configureMerge('linear', { weights, normalise: false }).merge(taus),
          slow.linear(taus.map(flat), weights),
        );
      }),
      runs,
    );
  });

  it('does not change when models and weights change places together, and does when models alone do', () => {
    fc.assert(
      fc.property(weighted, ({ taus, weights }) => {
        const turned = configureMerge('linear', { weights: [...weights].reverse() });
        expectClose(
          turned.merge([...taus].reverse()),
          flat(configureMerge('linear', { weights }).merge(taus)),
        );
      }),
      runs,
    );
    const taus = [randomTau(false, 1), randomTau(false, 2)];
    const { merge } = mergeMethod('linear@weights=0.9:0.1');
    expect(flat(merge(taus))).not.toEqual(flat(merge([...taus].reverse())));
  });

  it('without weights is the average, or the sum', () => {
    const taus = [1, 2, 3].map((seed) => randomTau(false, seed));
    expectClose(mergeMethod('linear').merge(taus), flat(mergeMethod('weight_avg').merge(taus)));
    expectClose(
      mergeMethod('linear@normalise=false').merge(taus),
      flat(mergeMethod('task_arithmetic@1').merge(taus)),
    );
  });

  it('gives a model merged with itself back', () => {
    const tau = randomTau(false, 1);
    expectClose(mergeMethod('linear@weights=0.2:3:1').merge([tau, tau, tau]), flat(tau));
  });

  it('leaves out a model of weight 0', () => {
    const taus = [randomTau(false, 1), randomTau(false, 2)];
    expect(flat(mergeMethod('linear@weights=0:2').merge(taus))).toEqual(flat(taus[1]!));
  });

  it('merges as many models as it has weights', () => {
    const taus = [1, 2, 3].map((seed) => randomTau(false, seed));
    const { merge } = mergeMethod('linear@weights=1:2:3');
    expect(() => merge(taus.slice(0, 2))).toThrow('linear merges exactly 3 models here, got 2');
    expect(() => merge([...taus, fill(() => 0)])).toThrow('linear merges exactly 3 models here, got 4');
    expect(merge(taus).size).toBe(3);
  });

  it.each([
    [{ weights: [1] }, /weights = 1: give each model its weight, or none/],
    [{ weights: [1, -1] }, /weights = 1,-1: their sum is zero.*normalise=false/],
    [{ weights: [0.1, 0.2, -0.3] }, /their sum is zero/],
    [{ weights: [0, 0] }, /their sum is zero/],
    [{ weights: [1, 11] }, /weights.1 = 1,11: /],
    [{ weights: [1, Number.NaN] }, /weights.1 = /],
    [{ weights: '1:2' }, /weights = 1:2: /],
  ])('refuses %o', (parameters, message) => {
    expect(() => configureMerge('linear', parameters)).toThrow(message);
  });

  it('takes weights whose sum is zero where it need not divide', () => {
    const taus = [randomTau(false, 1), randomTau(false, 2)];
    const merged = mergeMethod('linear@weights=1:-1@normalise=false').merge(taus);
    expectClose(merged, slow.linear(taus.map(flat), [1, -1]));
  });
});
