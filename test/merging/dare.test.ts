import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configureMerge, mergeMethod } from '../../src/merging/index.js';
import type { NamedTensors } from '../../src/tensors/index.js';
import { Random } from '../../src/tensors/random.js';
import { fill, flat, randomTau, slow } from './slow-merges.js';

const seeds = fc.integer({ min: 0, max: 1e6 });
const densities = fc.double({ min: 0.05, max: 1, noNaN: true });
const zero = fill(() => 0);

/** One tensor of many values. */
function large(seed: number, name = 'up.weight', count = 40_000): NamedTensors {
  return new Map([[name, { shape: [count], data: new Random(seed).normals(count) }]]);
}

/** 1 where a value of the model is kept, 0 where it is dropped: merged with a model that did not move. */
function keptIn(tau: NamedTensors, parameters: Record<string, number>): number[] {
  const still = new Map(
    [...tau].map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0) }]),
  );
  return flat(configureMerge('dare', parameters).merge([tau, still])).map((value) => (value === 0 ? 0 : 1));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const [ours, theirs] = [centred(a), centred(b)];
  return slow.dot(ours, theirs) / Math.sqrt(slow.dot(ours, ours) * slow.dot(theirs, theirs));
}

function centred(values: readonly number[]): number[] {
  const middle = mean(values);
  return values.map((value) => value - middle);
}

describe('dare', () => {
  it('is the coefficient times the mean of the models, each either zero or over the density in every value', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 5 }),
        densities,
        fc.double({ min: 0.1, max: 2, noNaN: true }),
        seeds,
        (count, density, coefficient, seed) => {
          const taus = Array.from({ length: count }, (_, m) => randomTau(false, seed, m));
          const thinned = taus.map((tau) => {
            const kept = keptIn(tau, { density, seed });
            return flat(tau).map((value, i) => (kept[i]! * value) / density);
          });
          const expected = slow.sum(thinned).map((value) => (coefficient * value) / count);
          flat(configureMerge('dare', { density, coefficient, seed }).merge(taus)).forEach((value, i) => {
            expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-6 * (1 + Math.abs(expected[i]!)));
          });
        },
      ),
      { seed: 20, numRuns: 60 },
    );
  });

  it.each([0.1, 0.5, 0.9])('keeps a fraction of %d, and the mean', (density) => {
    const tau = large(1);
    const kept = keptIn(tau, { density });
    // five standard errors
    expect(Math.abs(mean(kept) - density)).toBeLessThan(
      5 * Math.sqrt((density * (1 - density)) / kept.length),
    );
    // over seeds a value comes out as it went in
    const one = fill(() => 1);
    const means = Array.from({ length: 200 }, (_, seed) =>
      mean(flat(configureMerge('dare', { density, seed }).merge([one, one]))),
    );
    const error = Math.sqrt((1 - density) / density / (200 * 45));
    expect(Math.abs(mean(means) - 1)).toBeLessThan(5 * error);
  });

  it('draws for each model, tensor, seed and value by itself', () => {
    const kept = keptIn(large(1), { density: 0.5 });
    const bound = 5 / Math.sqrt(kept.length);
    for (const other of [
      keptIn(large(2), { density: 0.5 }),
      keptIn(large(1, 'other.weight'), { density: 0.5 }),
      keptIn(large(1), { density: 0.5, seed: 1 }),
      [...kept.slice(1), kept[0]!],
    ]) {
      expect(Math.abs(correlation(kept, other))).toBeLessThan(bound);
    }
    expect(keptIn(large(1), { density: 0.5 })).toEqual(kept);
  });

  it('drops of a model what it drops in every merge, whoever else is in it', () => {
    const [a, b, c] = [1, 2, 3].map((seed) => randomTau(false, seed));
    const { merge } = configureMerge('dare');
    const twice = (taus: NamedTensors[]) => flat(merge(taus)).map((value) => value * taus.length);
    slow.sum([twice([a!, zero]), twice([b!, zero]), twice([c!, zero])]).forEach((value, i) => {
      expect(value).toBeCloseTo(twice([a!, b!, c!])[i]!, 5);
    });
  });

  it('makes of a model merged with itself that model after its loss', () => {
    const tau = randomTau(false, 1);
    const kept = keptIn(tau, {});
    expect(new Set(kept)).toEqual(new Set([0, 1]));
    const expected = flat(tau).map((value, i) => 2 * kept[i]! * value);
    expect(flat(configureMerge('dare').merge([tau, tau, tau]))).toEqual(expected.map((value) => value + 0));
  });

  it('at density 1 is the average, whatever the seed', () => {
    const taus = [randomTau(false, 1), randomTau(false, 2), randomTau(false, 3)];
    expect(flat(mergeMethod('dare@density=1@seed=3').merge(taus))).toEqual(
      flat(mergeMethod('weight_avg').merge(taus)),
    );
  });

  it.each([
    [{ density: 0 }, /density = 0: /],
    [{ density: 1.01 }, /density = 1.01: /],
    [{ coefficient: -0.1, seed: -1 }, /coefficient = -0.1: .*\n.*seed = -1: /],
    [{ seed: 1.5 }, /seed = 1.5: /],
  ])('refuses %o', (parameters, message) => {
    expect(() => configureMerge('dare', parameters)).toThrow(message);
  });
});
