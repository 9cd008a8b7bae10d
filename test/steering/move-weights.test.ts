import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import { atScale, type SteeredTensor } from '../../src/steering/index.js';
import { upTheGradient } from '../../src/steering/move-weights.js';
import { chosen } from '../backend/chosen.js';
import { bitsOf, largestDifference, type Model, makeModel, valuesOf } from './model.js';

beforeAll(async () => {
  await openBackend(chosen);
});

let tensorsBefore: number;
let model: Model;
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
  model = makeModel();
});
afterEach(() => {
  model.dispose();
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

/** base + scale (live - base) of one tensor on the host. */
function moved(base: ArrayLike<number>, live: ArrayLike<number>, scale: number): number[] {
  return Array.from(base, (value, i) => value + scale * (live[i] - value));
}

describe('atScale', () => {
  it.each([0, 0.3, 0.5, 1, 1.7])('has the weights at base + %f tau while the body runs', (scale) => {
    const live = valuesOf(model.variables);
    const seen = atScale(model.tensors, scale, () => valuesOf(model.variables));
    model.tensors.forEach((_, index) => {
      const wanted = moved(model.base[index].dataSync(), live[index], scale);
      expect(largestDifference(seen[index], wanted)).toBeLessThan(1e-5);
    });
    expect(seen.at(-1)).toEqual(live.at(-1));
  });

  it('restores every bit where subtracting what was added would not', () => {
    const before = bitsOf(model.variables);
    const live = valuesOf(model.variables);
    const scale = 0.37;
    atScale(model.tensors, scale, () => {});
    expect(bitsOf(model.variables)).toEqual(before);
    const { fround } = Math;
    const differs = model.tensors.some((_, index) => {
      const base = model.base[index].dataSync();
      return live[index].some((value, i) => {
        const there = fround(base[i] + fround(fround(value - base[i]) * scale));
        return fround(there + fround(fround(value - base[i]) * fround(1 - scale))) !== value;
      });
    });
    expect(differs).toBe(true);
  });

  it('restores whatever bits there are', () => {
    const anyBits = fc.uint32Array({ minLength: 7, maxLength: 7 });
    fc.assert(
      fc.property(anyBits, fc.double({ min: 0, max: 2, noNaN: true }), (bits, scale) => {
        const variable = tf.tidy(() => tf.variable(tf.tensor1d(new Float32Array(bits.slice().buffer))));
        const tensor: SteeredTensor = {
          name: 'x',
          variable,
          transposed: false,
          isFactor: false,
          base: () => tf.ones([7]),
        };
        const before = bitsOf([variable]);
        atScale([tensor], scale, () => {});
        expect(bitsOf([variable])).toEqual(before);
        variable.dispose();
      }),
      { numRuns: 50, seed: 3 },
    );
  });

  it('restores them when the body throws', () => {
    const before = bitsOf(model.variables);
    const fail = () => {
      throw new Error('no loss');
    };
    expect(() => atScale(model.tensors, 0.5, fail)).toThrow('no loss');
    expect(bitsOf(model.variables)).toEqual(before);
  });

  it('restores them when the base of a later tensor can not be had', () => {
    const before = bitsOf(model.variables);
    const broken = {
      ...model.tensors[2],
      base: () => {
        throw new Error('no base');
      },
    };
    expect(() => atScale([...model.tensors.slice(0, 2), broken], 0.5, () => {})).toThrow('no base');
    expect(bitsOf(model.variables)).toEqual(before);
  });

  it('hands out what the body made, also inside tf.tidy', () => {
    const sums = tf.tidy(() =>
      atScale(model.tensors, 0, () => model.tensors.map(({ variable }) => tf.sum(variable))),
    );
    sums.forEach((sum, index) => {
      const wanted = tf.tidy(() => tf.sum(model.base[index]).dataSync()[0]);
      expect(sum.dataSync()[0]).toBeCloseTo(wanted, 4);
    });
    tf.dispose(sums);
  });

  it('leaves everybody else’s copies of the weights alone', () => {
    const copy = model.tensors[0].variable.clone();
    const before = Float32Array.from(copy.dataSync());
    atScale(model.tensors, 0, () => expect(copy.dataSync()).toEqual(before));
    expect(copy.dataSync()).toEqual(before);
    copy.dispose();
  });
});

describe('upTheGradient', () => {
  it.each([
    { adaptive: false, radius: 0.3 },
    { adaptive: true, radius: 2 },
    { adaptive: false, radius: -0.3 },
  ])('moves all steered weights by the radius together, $adaptive $radius', ({ adaptive, radius }) => {
    const live = valuesOf(model.variables);
    const gradients = Object.fromEntries(
      model.variables.map((variable) => [variable.name, tf.tidy(() => tf.sin(tf.mul(variable, 9)))]),
    );
    const g = model.variables.map(({ name }) => gradients[name].dataSync());
    const seen = upTheGradient(model.tensors, gradients, { radius, adaptive }, () =>
      valuesOf(model.variables),
    );
    const weight = (v: number, i: number) => (adaptive ? Math.abs(live[v][i]) + 0.01 : 1);
    const norm = Math.hypot(...model.tensors.flatMap((_, v) => [...g[v]].map((x, i) => weight(v, i) * x)));
    model.tensors.forEach((_, v) => {
      const wanted = [...live[v]].map((w, i) => w + (radius * weight(v, i) ** 2 * g[v][i]) / norm);
      expect(largestDifference(seen[v], wanted)).toBeLessThan(1e-5);
    });
    expect(seen.at(-1)).toEqual(live.at(-1));
    tf.dispose(gradients);
  });

  it('stays where every gradient is zero or missing', () => {
    const before = bitsOf(model.variables);
    const { variable } = model.tensors[0];
    const zero = { [variable.name]: tf.zerosLike(variable) };
    for (const gradients of [zero, {}]) {
      const inside = upTheGradient(model.tensors, gradients, { radius: 1, adaptive: false }, () =>
        bitsOf(model.variables),
      );
      expect(inside).toEqual(before);
    }
    tf.dispose(zero);
  });
});
