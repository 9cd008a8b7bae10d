import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import type { LossTerm, SteeredTensor } from '../../src/steering/index.js';
import { scaleJitter } from '../../src/steering/scale-jitter.js';
import { Random } from '../../src/tensors/random.js';
import {
  bitsOf,
  contextOf,
  gradientsOf,
  largestDifference,
  type Model,
  makeModel,
  valuesOf,
} from './model.js';

beforeAll(async () => {
  await openBackend('wasm');
});

let tensorsBefore: number;
let model: Model;
/** minimum of the quadratic loss, one a variable */
let minima: tf.Tensor[];
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
  model = makeModel();
  const random = new Random('minima');
  minima = model.variables.map(({ shape, size }) => tf.tensor(random.normals(size), shape));
});
afterEach(() => {
  model.dispose();
  tf.dispose(minima);
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

/** Half the summed square of w - c over all variables, the head included. */
function quadratic(): tf.Scalar {
  return tf.tidy(() =>
    tf.mul(
      tf.addN(model.variables.map((variable, i) => tf.sum(tf.square(tf.sub(variable, minima[i]))))),
      0.5,
    ),
  ) as tf.Scalar;
}

const evaluate = () => gradientsOf(model, quadratic);

function start(options: Record<string, unknown>, seed = 0): LossTerm {
  return scaleJitter.start(options, contextOf(model, { seed })) as LossTerm;
}

describe('scale_jitter on a quadratic loss', () => {
  it.each([
    { strength: 1, scale: 0.5 },
    { strength: 0.25, scale: 0.2 },
    { strength: 2, scale: 1.5 },
    { strength: 1, scale: 0 },
  ])('adds strength s (base + s tau - c), strength $strength, s $scale', ({ strength, scale }) => {
    const term = start({ strength, low: scale, high: scale });
    const { value, grads } = term.evaluate(evaluate);
    const live = valuesOf(model.variables);
    let loss = 0;
    model.variables.forEach((variable, index) => {
      const minimum = minima[index].dataSync();
      const added = grads[variable.name].dataSync().map((gradient) => gradient * term.strength);
      const base = model.base[index]?.dataSync();
      // The head stays where it is, and gets its gradient unscaled.
      const place = Array.from(live[index], (w, i) => (base ? base[i] + scale * (w - base[i]) : w));
      const factor = strength * (base ? scale : 1);
      const wanted = place.map((w, i) => factor * (w - minimum[i]));
      expect(largestDifference(added, wanted)).toBeLessThan(2e-5);
      loss += place.reduce((sum, w, i) => sum + (w - minimum[i]) ** 2 / 2, 0);
    });
    expect(value.dataSync()[0] / loss).toBeCloseTo(1, 4);
    tf.dispose([value, grads]);
    term.dispose();
  });

  it('leaves a variable without a gradient out', () => {
    const term = start({ strength: 1 });
    const some = () => tf.variableGrads(quadratic, model.variables.slice(1));
    const { value, grads } = term.evaluate(some);
    expect(Object.keys(grads)).toEqual(model.variables.slice(1).map(({ name }) => name));
    tf.dispose([value, grads]);
  });
});

describe('the weights', () => {
  it('are bit-identical afterwards', () => {
    const before = bitsOf(model.variables);
    const term = start({ strength: 1 });
    for (let step = 0; step < 5; step++) {
      const { value, grads } = term.evaluate(evaluate);
      tf.dispose([value, grads]);
    }
    expect(bitsOf(model.variables)).toEqual(before);
  });

  it('are bit-identical after an evaluation that throws, and nothing is left', () => {
    const before = bitsOf(model.variables);
    const term = start({ strength: 1 });
    const fail = () => {
      throw new Error('out of memory');
    };
    const held = tf.memory().numTensors;
    expect(() => term.evaluate(() => gradientsOf(model, fail))).toThrow('out of memory');
    expect(tf.memory().numTensors).toBe(held);
    expect(bitsOf(model.variables)).toEqual(before);
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
    expect([0, 1, 2, 3, 4, 5, 6].filter((step) => term.due(step))).toEqual(wanted);
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
    const context = { tensors: [tensor], rightSubspaces: [], random: new Random('jitter', seed) };
    const term = scaleJitter.start({ strength: 1, ...options }, context) as LossTerm;
    const scales = Array.from({ length: count }, () => {
      let scale = Number.NaN;
      const { value } = term.evaluate(() => {
        scale = variable.dataSync()[0];
        return { value: tf.scalar(0), grads: {} };
      });
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
    expect(Math.min(...scales)).toBeGreaterThanOrEqual(0.2);
    expect(Math.max(...scales)).toBeLessThan(0.7);
    const mean = scales.reduce((sum, scale) => sum + scale, 0) / scales.length;
    // Four standard errors of a uniform distribution's mean.
    expect(Math.abs(mean - 0.45)).toBeLessThan((4 * 0.5) / Math.sqrt(12 * scales.length));
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
