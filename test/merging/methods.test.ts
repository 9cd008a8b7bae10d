import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyTau,
  configureMerge,
  MERGE_METHODS,
  mergeMethod,
  type TensorToMerge,
} from '../../src/merging/index.js';
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

const BASE = randomTau(false, 'base');
const negative = (tensors: NamedTensors) => fill((name, i) => -tensors.get(name)!.data[i]!);

describe.each(MERGE_METHODS.map((method) => [method.name, method] as const))('%s', (name, method) => {
  const configured = configureMerge(name);
  const merge = (taus: readonly NamedTensors[], base = BASE) => configured.merge(taus, base);
  const { least, most } = method.models(configured.parameters);
  /** as many task vectors as it merges, at most 5 */
  const poolsOf = fc
    .tuple(fc.integer({ min: least, max: Math.min(5, most) }), fc.boolean(), seeds)
    .map(([count, coarse, seed]) => Array.from({ length: count }, (_, m) => randomTau(coarse, seed, m)));
  /** three, or as many as it merges */
  const count = Math.min(3, most);
  const some = (coarse: boolean, seed: number) =>
    Array.from({ length: count }, (_, m) => randomTau(coarse, seed, m));

  it('keeps names, shapes and order of tensors, and leaves its inputs alone', () => {
    const taus = some(false, 1);
    const before = [...taus, BASE].map(flat);
    const merged = merge(taus);
    expect([...merged].map(([name, { shape }]) => [name, shape])).toEqual(
      [...taus[0]!].map(([name, { shape }]) => [name, shape]),
    );
    expect([...taus, BASE].map(flat)).toEqual(before);
  });

  it('does not depend on the order of the models', () => {
    fc.assert(
      fc.property(poolsOf, (taus) => {
        expectFlat(merge([...taus].reverse()), flat(merge(taus)));
      }),
      runs,
    );
  });

  it('does not depend on the order of the tensors', () => {
    const turn = (tensors: NamedTensors) => new Map([...tensors].reverse());
    const taus = some(true, 1);
    const turned = merge(taus.map(turn), turn(BASE));
    for (const [name, { data }] of merge(taus)) {
      expect(turned.get(name)!.data).toEqual(data);
    }
  });

  it('makes the base of task vectors that are zero', () => {
    const zero = fill(() => 0);
    expect(flat(merge(Array(count).fill(zero))).every((value) => value === 0)).toBe(true);
    expect(flat(merge(Array(count).fill(zero), zero)).every((value) => value === 0)).toBe(true);
  });

  it('stays finite where a tensor is zero in one model, and in the base too', () => {
    const still = fill((name, i) => (name === 'norm.weight' ? 1 + i : 0));
    const [, ...others] = some(false, 1);
    for (const base of [BASE, fill(() => 0)]) {
      expect(flat(merge([still, ...others], base)).every(Number.isFinite)).toBe(true);
    }
  });

  it('is odd: negated models make the negated merge, away from exact cancellation', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const taus = some(false, seed);
        const merged = merge(taus);
        expectFlat(merge(taus.map(negative), negative(BASE)), flat(negative(merged)));
      }),
      runs,
    );
  });

  it('learns nothing in its survey that a thread could not be told', () => {
    const survey = method.survey(configured.parameters);
    for (let pass = 0; pass < (survey?.passes ?? 0); pass++) {
      for (const [name, { shape, data }] of some(false, 1)[0]!) {
        survey!.visit({ name, shape, taus: Array(count).fill(data), base: data }, pass);
      }
    }
    const known = survey?.result() ?? null;
    expect(structuredClone(known)).toEqual(known);
  });

  it('names every mismatch at once', () => {
    const one = randomTau(false, 1);
    const other = new Map(randomTau(false, 2));
    other.delete('norm.weight');
    other.set('up.weight', { shape: [4, 7], data: new Float32Array(28) });
    other.set('head.weight', { shape: [1], data: new Float32Array([Number.NaN]) });
    for (const line of [
      `the ${count} task vectors can't be merged`,
      'task vector 2: norm.weight is [5] here, missing there',
      'task vector 2: up.weight is [4, 7] there, [7, 4] here',
      'task vector 2: head.weight is [1] there, missing here',
      'task vector 2: head.weight holds NaN or infinite values',
    ]) {
      expect(() => merge([one, other, one].slice(0, count))).toThrow(line);
    }
  });

  it('needs two models, and its base where it works on weights', () => {
    const wanted = least === most ? 'exactly' : 'at least';
    expect(() => merge([randomTau(false, 1)])).toThrow(`merges ${wanted} ${least} models here, got 1`);
    if (method.needsBase) {
      expect(() => configured.merge(some(false, 1))).toThrow(
        `${name} merges weights, not task vectors alone`,
      );
    } else {
      expect(flat(configured.merge(some(false, 1)))).toEqual(flat(merge(some(false, 1))));
    }
  });

  it('refuses parameters it does not know', () => {
    expect(() => configureMerge(name, { densty: 0.1 })).toThrow(
      new RegExp(`parameters of merge method ${method.name}:\\n.*densty`),
    );
  });

  it('says of every parameter what it is, and of itself where it is from', () => {
    for (const schema of Object.values(method.parameters.shape)) {
      expect((schema as { description?: string }).description).toMatch(/\w/);
    }
    expect(method.source).toMatch(/arXiv \d{4}\.\d{5}/);
  });
});

const ELEMENTWISE = MERGE_METHODS.map(({ name }) => configureMerge(name)).filter(({ method, parameters }) =>
  method.elementwise(parameters),
);

it('works element by element where it can', () => {
  expect(ELEMENTWISE.map(({ id }) => id).sort()).toEqual(['linear', 'task_arithmetic', 'ties', 'weight_avg']);
});

describe.each(ELEMENTWISE.map((configured) => [configured.id, configured] as const))(
  '%s',
  (_, configured) => {
    it('merges a tensor in stretches as it does in one piece', () => {
      const { method, parameters, merge } = configured;
      const taus = [randomTau(true, 1), randomTau(true, 2), randomTau(true, 3)];
      const visitAll = (cut: boolean) => {
        const survey = method.survey(parameters);
        for (let pass = 0; pass < (survey?.passes ?? 0); pass++) {
          for (const part of stretches(taus, cut)) {
            survey!.visit(part, pass);
          }
        }
        return survey?.result() ?? null;
      };
      const known = visitAll(true);
      expect(known).toEqual(visitAll(false));
      const merged = stretches(taus, true).flatMap((part) => [
        ...method.mergeTensor(part, parameters, known),
      ]);
      expect(merged).toEqual(flat(merge(taus)));
    });
  },
);

/** All tensors, each in one piece or cut into two. */
function stretches(taus: readonly NamedTensors[], cut: boolean): TensorToMerge[] {
  return [...taus[0]!].flatMap(([name, { data }]) => {
    const bounds = cut ? [0, Math.floor(data.length / 3), data.length] : [0, data.length];
    return bounds.slice(1).map((end, i) => ({
      name,
      shape: [end - bounds[i]!],
      taus: taus.map((tau) => tau.get(name)!.data.subarray(bounds[i], end)),
      base: null,
    }));
  });
}

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

  it('trims tensor by tensor where asked, with one majority sign for the whole model', () => {
    const byTensor = (taus: readonly NamedTensors[], density: number) =>
      slow.tiesByTensor(
        [...taus[0]!.keys()].map((name) => taus.map((tau) => [...tau.get(name)!.data])),
        density,
        0.4,
      );
    fc.assert(
      fc.property(pools, fc.double({ min: 0.001, max: 1, noNaN: true }), (taus, density) => {
        expectFlat(
          configureMerge('ties', { density, coefficient: 0.4, trim: 'tensor' }).merge(taus),
          byTensor(taus, density),
        );
      }),
      { ...runs, numRuns: 200 },
    );
    // the two cancel in the small tensor; the others have negative sums only
    const taus = [1, -1].map((sign) => fill((name) => (name === 'norm.weight' ? sign : -2)));
    const merged = mergeMethod('ties@trim=tensor@density=1').merge(taus);
    expect([...merged.get('norm.weight')!.data]).toEqual([-1, -1, -1, -1, -1]);
  });

  it('trimmed by tensor keeps small values of small tensors', () => {
    const tau = fill((name) => (name === 'patch.kernel' ? 1 : 0.01));
    const merged = mergeMethod('ties@trim=tensor').merge([tau, tau]);
    expect(flat(merged)).toEqual(flat(tau));
  });

  it('can come in stretches only where the whole model is trimmed', () => {
    const { method, parameters } = mergeMethod('ties@trim=tensor');
    expect(method.elementwise(parameters)).toBe(false);
    expect(method.elementwise(mergeMethod('ties').parameters)).toBe(true);
  });

  it.each([
    [{ density: 0 }, /density = 0: /],
    [{ trim: 'layer' }, /trim = layer: .*"model"\|"tensor"/],
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
