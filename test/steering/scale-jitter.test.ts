import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import { atScale, type LossTerm, type SteeredTensor } from '../../src/steering/index.js';
import { scaleJitter } from '../../src/steering/scale-jitter.js';
import { Random } from '../../src/tensors/random.js';
import { chosen } from '../backend/chosen.js';
import { contextOf, largestDifference, type Model, makeModel } from './model.js';
import { addTo, baseOf, Quadratic, resultOf, weightsOf } from './quadratic.js';

beforeAll(async () => {
  await openBackend(chosen);
});

let tensorsBefore: number;
let model: Model;
let problem: Quadratic;
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
  model = makeModel();
  problem = new Quadratic(model);
});
afterEach(() => {
  model.dispose();
  problem.dispose();
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

function start(options: Record<string, unknown>, seed = 0): LossTerm {
  return scaleJitter.start(options, contextOf(model, { seed })) as LossTerm;
}

describe('scale_jitter on a quadratic loss', () => {
  it.each([
    { form: 'added', chain: true, strength: 1, scale: 0.5, factor: 0.5, head: 1 },
    { form: 'added', chain: true, strength: 0.25, scale: 1.5, factor: 0.375, head: 0.25 },
    { form: 'added', chain: true, strength: 1, scale: 0, factor: 0, head: 1 },
    { form: 'added', chain: false, strength: 0.5, scale: 0.4, factor: 0.5, head: 0.5 },
    { form: 'in_place', chain: true, strength: 0.5, scale: 0.4, factor: 0.4, head: 1 },
    { form: 'in_place', chain: false, strength: 0.5, scale: 0.4, factor: 1, head: 1 },
  ])('$form, chain $chain, strength $strength: $factor times the gradient at s $scale', (row) => {
    const { strength, scale, factor, head, form, chain } = row;
    const term = start({ form, chain, low: scale, high: scale });
    const { grads, value } = resultOf(term, model, problem.evaluate, strength);
    const base = baseOf(model);
    const live = weightsOf(model);
    const place = live.map((values, v) => values.map((w, i) => base[v][i] + scale * (w - base[v][i])));
    place[place.length - 1] = live.at(-1) as number[];
    problem.gradientAt(place).forEach((gradient, v) => {
      const weight = v < model.tensors.length ? factor : head;
      const wanted = gradient.map((x) => weight * x);
      expect(largestDifference(grads[v], wanted)).toBeLessThan(1e-4);
    });
    expect(value).toBeGreaterThan(0);
  });

  it('descends on the loss at base + s tau', () => {
    const term = start({ low: 0.3, high: 0.3, chain: true });
    const there = () => atScale(model.tensors, 0.3, () => tf.tidy(() => problem.loss().dataSync()[0]));
    const before = there();
    for (let step = 0; step < 5; step++) {
      addTo(model, resultOf(term, model, problem.evaluate).grads, -0.1);
    }
    expect(there()).toBeLessThan(0.9 * before);
  });
});

describe('when and where it acts', () => {
  it.each([
    [1, [0, 1, 2, 3, 4, 5, 6]],
    [2, [1, 3, 5]],
    [3, [2, 5]],
    [7, [6]],
  ])('every %i: on steps %j of seven', (every, wanted) => {
    const term = start({ strength: 1, every });
    expect([0, 1, 2, 3, 4, 5, 6].filter((step) => term.due(step, 1))).toEqual(wanted);
  });

  /** The scales of the next evaluations: what becomes of a weight of 1 beside a base of 0. */
  function scalesOf(options: Record<string, unknown>, seed: number, count: number): number[] {
    const variable = tf.tidy(() => tf.variable(tf.scalar(1)));
    const tensor: SteeredTensor = {
      name: 'x',
      variable,
      transposed: false,
      isFactor: false,
      base: () => tf.scalar(0),
    };
    const context = {
      tensors: [tensor],
      references: [],
      activations: null,
      random: new Random('jitter', seed),
    };
    const term = scaleJitter.start(options, context) as LossTerm;
    const scales = Array.from({ length: count }, () => {
      let scale = Number.NaN;
      const { value } = term.evaluate(
        () => {
          scale = variable.dataSync()[0];
          return { value: tf.scalar(0), grads: {} };
        },
        1,
        null,
      );
      value.dispose();
      return scale;
    });
    term.dispose();
    variable.dispose();
    return scales;
  }

  it('draws the same scales from the same seed, others from another', () => {
    const scales = scalesOf({}, 1, 10);
    expect(scalesOf({}, 1, 10)).toEqual(scales);
    expect(scalesOf({}, 2, 10)).not.toEqual(scales);
    expect(new Set(scales).size).toBe(10);
  });

  it('draws them from low to high, evenly', () => {
    const scales = scalesOf({}, 5, 400);
    expect(Math.min(...scales)).toBeGreaterThanOrEqual(0.5);
    expect(Math.max(...scales)).toBeLessThan(1.2);
    const mean = scales.reduce((sum, scale) => sum + scale, 0) / scales.length;
    // Four standard errors of a uniform distribution's mean.
    expect(Math.abs(mean - 0.85)).toBeLessThan((4 * 0.7) / Math.sqrt(12 * scales.length));
  });

  it('keeps to any bounds', () => {
    const bound = fc.double({ min: 0, max: 2, noNaN: true });
    fc.assert(
      fc.property(bound, bound, fc.integer(), (a, b, seed) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        for (const scale of scalesOf({ low, high }, seed, 3)) {
          expect(scale).toBeGreaterThanOrEqual(Math.fround(low));
          expect(scale).toBeLessThanOrEqual(Math.fround(high));
        }
      }),
      { numRuns: 30, seed: 11 },
    );
  });
});
