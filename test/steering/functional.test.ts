import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import { functional } from '../../src/steering/functional.js';
import type { LossGradients, LossTerm, SteeringContext } from '../../src/steering/index.js';
import { Random } from '../../src/tensors/random.js';
import { chosen } from '../backend/chosen.js';
import { bitsOf, contextOf, type Model, makeModel, referenceOf } from './model.js';

beforeAll(() => openBackend(chosen));

let tensorsBefore: number;
let model: Model;
let inputs: tf.Tensor2D;
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
  model = makeModel();
  inputs = tf.tensor2d(new Random('inputs').normals(6 * 4, 0.3), [6, 4]);
});
afterEach(() => {
  model.dispose();
  inputs.dispose();
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

/** x up^T, linear, so that the penalty is a quadratic of tau. */
const activations = (x: tf.Tensor) =>
  tf.matMul(
    x as tf.Tensor2D,
    model.tensors[0].variable as unknown as tf.Tensor2D,
    false,
    true,
  ) as tf.Tensor2D;

function contextWith(changes: Partial<SteeringContext> = {}): SteeringContext {
  const references = [referenceOf(model, { inputs }), referenceOf(model)];
  return { ...contextOf(model, { references, activations }), ...changes };
}

const evaluate = (loss?: () => tf.Scalar): LossGradients =>
  tf.variableGrads(loss as () => tf.Scalar, model.variables);

/** Value and gradient by the first matrix, by hand: rows of tau times x, over the base's. */
function byHand(count: number): { value: number; gradient: number[] } {
  const [out, size] = [5, 4];
  const x = inputs.arraySync().slice(0, count);
  const base = model.base[0].dataSync();
  const live = model.tensors[0].variable.dataSync();
  const gradient = new Array<number>(out * size).fill(0);
  let value = 0;
  for (const row of x) {
    const times = (w: ArrayLike<number>) =>
      Array.from({ length: out }, (_, o) => row.reduce((sum, xi, i) => sum + xi * w[o * size + i], 0));
    const [there, here] = [times(base), times(live)];
    const norm = there.reduce((sum, h) => sum + h * h, 0);
    here.forEach((h, o) => {
      const moved = h - there[o];
      value += moved ** 2 / (2 * norm * count);
      row.forEach((xi, i) => {
        gradient[o * size + i] += (moved * xi) / (norm * count);
      });
    });
  }
  return { value, gradient };
}

it.each([
  [16, 6, 1],
  [4, 4, 0.5],
])('with %i samples is the mean over %i of them, times strength %f', (samples, used, strength) => {
  const before = bitsOf(model.variables);
  const term = functional.start({ samples }, contextWith()) as LossTerm;
  expect(bitsOf(model.variables)).toEqual(before);
  const { value, grads } = term.evaluate(evaluate, strength, null);
  const wanted = byHand(used);
  expect(value.dataSync()[0] / wanted.value).toBeCloseTo(1, 3);
  const size = Math.max(...wanted.gradient.map(Math.abs));
  grads[model.variables[0].name].dataSync().forEach((x, i) => {
    expect(Math.abs(x - strength * wanted.gradient[i])).toBeLessThan(1e-3 * size);
  });
  tf.dispose([value, grads]);
  term.dispose();
});

it('steps bring the activations back to those of the base', () => {
  const term = functional.start({}, contextWith()) as LossTerm;
  const optimizer = tf.train.sgd(4);
  const values: number[] = [];
  for (let step = 0; step < 20; step++) {
    const { value, grads } = term.evaluate(evaluate, 1, null);
    values.push(value.dataSync()[0]);
    optimizer.applyGradients(grads);
    tf.dispose([value, grads]);
  }
  expect(values.at(-1)).toBeLessThan(0.7 * values[0]);
  optimizer.dispose();
  term.dispose();
});

it('does not count inputs that the base does not answer', () => {
  const zeros = tf.zeros<tf.Rank.R2>([6, 4]);
  const references = [referenceOf(model, { inputs: zeros })];
  const term = functional.start({}, contextWith({ references })) as LossTerm;
  const { value, grads } = term.evaluate(evaluate, 1, null);
  expect(value.dataSync()[0]).toBe(0);
  expect([...grads[model.variables[0].name].dataSync()].every((x) => x === 0)).toBe(true);
  tf.dispose([value, grads, zeros]);
  term.dispose();
});

it('restores the weights and leaves nothing when the model throws at the start', () => {
  const before = { bits: bitsOf(model.variables), tensors: tf.memory().numTensors };
  const broken = () => {
    throw new Error('shapes do not match');
  };
  expect(() => functional.start({}, contextWith({ activations: broken }))).toThrow('shapes do not match');
  expect(bitsOf(model.variables)).toEqual(before.bits);
  expect(tf.memory().numTensors).toBe(before.tensors);
});

it('says all that it lacks, and what works without', () => {
  const bare = [referenceOf(model)];
  expect(() => functional.start({}, contextWith({ activations: null }))).toThrow(
    /^functional needs an `activation` function, or a `layer`.*; scale_jitter/,
  );
  expect(() => functional.start({}, contextWith({ references: bare }))).toThrow(
    /^functional needs references with calibration samples; scale_jitter/,
  );
  expect(() => functional.start({}, contextWith({ references: bare, activations: null }))).toThrow(
    /^functional needs an `activation`.* and references with calibration samples; scale_jitter/,
  );
});
