import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyTau, configureMerge, MERGE_METHODS, mergeMethod } from '../../src/merging/index.js';
import type { NamedTensors } from '../../src/tensors/index.js';
import { fill, flat, randomTau, slow } from './slow-merges.js';

const seeds = fc.integer({ min: 0, max: 1e6 });
const runs = { seed: 20, numRuns: 60 };
/** 2 to 5 task vectors */
const pools = fc
  .tuple(fc.integer({ min: 2, max: 5 }), fc.boolean(), seeds)
  .map(([count, coarse, seed]) => Array.from({ length: count }, (_, m) => randomTau(coarse, seed, m)));

function expectFlat(found: NamedTensors, expected: readonly number[]): void {
  flat(found).forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected[i]!)));
  });
}

describe.each(MERGE_METHODS.map((method) => [method.name, method] as const))('%s', (name, method) => {
  const { merge } = configureMerge(name);

  it('keeps names, shapes and order of tensors, and leaves its inputs alone', () => {
    const taus = [randomTau(false, 1), randomTau(false, 2)];
    const before = taus.map(flat);
    const merged = merge(taus);
    expect([...merged].map(([name, { shape }]) => [name, shape])).toEqual(
      [...taus[0]!].map(([name, { shape }]) => [name, shape]),
    );
    expect(taus.map(flat)).toEqual(before);
  });

  it('does not depend on the order of the models', () => {
    fc.assert(
      fc.property(pools, (taus) => {
        expectFlat(merge([...taus].reverse()), flat(merge(taus)));
      }),
      runs,
    );
  });

  it('does not depend on the order of the tensors', () => {
    const taus = [randomTau(true, 1), randomTau(true, 2), randomTau(true, 3)];
    const merged = merge(taus);
    const turned = merge(taus.map((tau) => new Map([...tau].reverse())));
    for (const [name, { data }] of merged) {
      expect(turned.get(name)!.data).toEqual(data);
    }
  });

  it('makes the base of task vectors that are zero', () => {
    expect(flat(merge([fill(() => 0), fill(() => 0)])).every((value) => value === 0)).toBe(true);
  });

  it('is odd: negated models make the negated merge, away from exact cancellation', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const taus = [randomTau(false, seed, 1), randomTau(false, seed, 2), randomTau(false, seed, 3)];
        const negated = taus.map((tau) => fill((name, i) => -tau.get(name)!.data[i]!));
        expectFlat(
          merge(negated),
          flat(merge(taus)).map((value) => -value),
        );
      }),
      runs,
    );
  });

  it('names every mismatch at once', () => {
    const one = randomTau(false, 1);
    const other = new Map(randomTau(false, 2));
    other.delete('norm.weight');
    other.set('up.weight', { shape: [4, 7], data: new Float32Array(28) });
    other.set('head.weight', { shape: [1], data: new Float32Array(1) });
    const third = fill((name, i) => (name === 'patch.kernel' && i === 3 ? Number.NaN : 0));
    for (const line of [
      "the 3 task vectors can't be merged",
      'task vector 2: norm.weight is [5] here, missing there',
      'task vector 2: up.weight is [4, 7] there, [7, 4] here',
      'task vector 2: head.weight is [1] there, missing here',
      'task vector 3: patch.kernel holds NaN or infinite values',
    ]) {
      expect(() => merge([one, other, third])).toThrow(line);
    }
  });

  it('needs two models', () => {
    expect(() => merge([randomTau(false, 1)])).toThrow('merges at least 2 models here, got 1');
  });

  it('refuses parameters it does not know', () => {
    expect(() => configureMerge(name, { densty: 0.1 })).toThrow(
      new RegExp(`parameters of merge method ${method.name}:\\n.*densty`),
    );
  });

  it('names its source', () => {
    expect(method.source).toMatch(/arXiv \d{4}\.\d{5}/);
  });
});

describe('weight_avg', () => {
  it('is the mean', () => {
    fc.assert(
      fc.property(pools, (taus) => {
        const expected = slow.sum(taus.map(flat)).map((value) => value / taus.length);
        expectFlat(mergeMethod('weight_avg').merge(taus), expected);
      }),
      runs,
    );
  });

  it('gives a model merged with itself back, to the bit', () => {
    const tau = randomTau(false, 1);
    for (const count of [2, 3, 5]) {
      expect(flat(mergeMethod('weight_avg').merge(Array(count).fill(tau)))).toEqual(flat(tau));
    }
  });
});

describe('task_arithmetic', () => {
  it('is the coefficient times the sum, 0.3 by default', () => {
    fc.assert(
      fc.property(pools, fc.double({ min: 0, max: 2, noNaN: true }), (taus, coefficient) => {
        const sum = slow.sum(taus.map(flat));
        expectFlat(
          configureMerge('task_arithmetic').merge(taus),
          sum.map((value) => 0.3 * value),
        );
        expectFlat(
          configureMerge('task_arithmetic', { coefficient }).merge(taus),
          sum.map((value) => coefficient * value),
        );
      }),
      runs,
    );
  });

  it('at 1 / k is the average', () => {
    const taus = [randomTau(false, 1), randomTau(false, 2)];
    expect(flat(mergeMethod('task_arithmetic@0.5').merge(taus))).toEqual(
      flat(mergeMethod('weight_avg').merge(taus)),
    );
  });
});

describe('ties', () => {
  const { merge } = configureMerge('ties');

  it('equals the slow version, with ties and exact cancellation too', () => {
    fc.assert(
      fc.property(pools, fc.double({ min: 0.001, max: 1, noNaN: true }), (taus, density) => {
        expectFlat(merge(taus), slow.ties(taus.map(flat), 0.2, 1));
        expectFlat(
          configureMerge('ties', { density, coefficient: 0.4 }).merge(taus),
          slow.ties(taus.map(flat), density, 0.4),
        );
      }),
      { ...runs, numRuns: 200 },
    );
  });

  it('gives the trimmed model for a model merged with itself', () => {
    const tau = randomTau(false, 1);
    const merged = flat(merge([tau, tau]));
    expect(merged.filter((value) => value !== 0)).toHaveLength(Math.floor(0.2 * 45));
    merged.forEach((value, i) => {
      expect([0, flat(tau)[i]]).toContain(value);
    });
    expect(flat(configureMerge('ties', { density: 1 }).merge([tau, tau]))).toEqual(flat(tau));
  });

  it('trims over the whole model: a tensor of small values is emptied', () => {
    const tau = fill((name) => (name === 'patch.kernel' ? 1 : 0.01));
    const merged = merge([tau, tau]);
    expect(merged.get('patch.kernel')!.data.every((value) => value === 1)).toBe(true);
    expect(merged.get('up.weight')!.data.every((value) => value === 0)).toBe(true);
  });

  it.each([
    [{ density: 0 }, /density = 0: /],
    [{ density: 1.1 }, /density = 1.1: /],
    [{ coefficient: 3, density: -1 }, /coefficient = 3: .*\n.*density = -1: /],
    [{ coefficient: Number.NaN }, /coefficient = NaN: /],
  ])('refuses %o', (parameters, message) => {
    expect(() => configureMerge('ties', parameters)).toThrow(message);
  });
});

describe('applyTau', () => {
  it('adds scale times the task vector, 1 by default', () => {
    const base = randomTau(false, 1);
    const tau = randomTau(false, 2);
    expectFlat(applyTau(base, tau), slow.sum([flat(base), flat(tau)]));
    expectFlat(applyTau(base, tau, -0.5), slow.sum([flat(base), flat(tau).map((value) => -0.5 * value)]));
    expect(flat(applyTau(base, tau, 0))).toEqual(flat(base));
  });

  it('names every mismatch at once', () => {
    const tau = new Map(randomTau(false, 2));
    tau.delete('norm.weight');
    tau.set('up.weight', { shape: [28], data: new Float32Array(28) });
    expect(() => applyTau(randomTau(false, 1), tau)).toThrow(
      /the task vector does not fit the base.*\n.*norm.weight is \[5\] here, missing there\n.*up.weight is \[28\] there, \[7, 4\] here/,
    );
  });
});
