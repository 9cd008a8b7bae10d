import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import { alignment } from '../../src/steering/alignment.js';
import type { GradientTerm, SteeringReference } from '../../src/steering/index.js';
import { chosen } from '../backend/chosen.js';
import { contextOf, largestDifference, type Model, makeModel, referenceOf } from './model.js';

/** Two tensors of two values each: vectors of four numbers. */
const STORED = [
  { name: 'a', shape: [2] },
  { name: 'b', shape: [1, 2] },
];

beforeAll(() => openBackend(chosen));

let tensorsBefore: number;
let model: Model;
let made: tf.Tensor[];
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
  model = makeModel(STORED);
  made = [];
});
afterEach(() => {
  model.dispose();
  tf.dispose(made);
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

/** The tensors of a vector of four numbers. */
function split(values: readonly number[]): tf.Tensor[] {
  const tensors = [tf.tensor(values.slice(0, 2), [2]), tf.tensor(values.slice(2), [1, 2])];
  made.push(...tensors);
  return tensors;
}

/** What becomes of a gradient. */
function turned(
  gradient: readonly number[],
  options: Record<string, unknown>,
  references: readonly SteeringReference[],
  strength = 1,
): number[] {
  const term = alignment.start(options, contextOf(model, { references })) as GradientTerm;
  const tensors = split(gradient);
  const gradients = Object.fromEntries(model.tensors.map(({ variable }, i) => [variable.name, tensors[i]]));
  const values = tf.tidy(() => {
    const additions = term.additions({ ...gradients, [model.head.name]: model.head }, strength);
    expect(additions[model.head.name]).toBeUndefined();
    return model.tensors.flatMap(({ variable }, i) => [
      ...tf.add(tensors[i], additions[variable.name] ?? 0).dataSync(),
    ]);
  });
  term.dispose();
  return values;
}

const tauIs = (values: readonly number[]) => referenceOf(model, { taus: split(values) });
const gradientIs = (values: readonly number[]) => referenceOf(model, { gradients: split(values) });

describe('project', () => {
  it.each([
    ['takes a conflict out, over all tensors as one vector', [1, 0, 1, 2], [1, 0, 1, 0], 1, [0, 0, 0, 2]],
    ['takes half of it out at half the strength', [1, 0, 1, 2], [1, 0, 1, 0], 0.5, [0.5, 0, 0.5, 2]],
    ['whatever the length of tau', [1, 0, 1, 2], [10, 0, 10, 0], 1, [0, 0, 0, 2]],
    ['leaves a step along tau', [-1, 3, -1, 2], [1, 0, 1, 0], 1, [-1, 3, -1, 2]],
    ['leaves one across it', [1, 3, -1, 2], [1, 0, 1, 0], 1, [1, 3, -1, 2]],
    ['leaves all where tau is zero', [1, 2, 3, 4], [0, 0, 0, 0], 1, [1, 2, 3, 4]],
  ])('%s', (_, gradient, tau, strength, wanted) => {
    const found = turned(gradient, {}, [tauIs(tau)], strength);
    expect(largestDifference(found, wanted)).toBeLessThan(1e-6);
  });

  it('takes references one after the other', () => {
    const found = turned([1, 1, 1, 1], {}, [tauIs([1, 0, 0, 0]), tauIs([0, 0, 2, 0]), tauIs([0, -1, 0, 0])]);
    expect(largestDifference(found, [0, 1, 0, 1])).toBeLessThan(1e-6);
  });

  it('keeps steps from lowering the part of tau along the reference', () => {
    const direction = [1, -2, 0.5, 1];
    const along = () => {
      const tau = model.tensors.flatMap(({ variable }, i) => {
        const base = model.base[i].dataSync();
        return [...variable.dataSync()].map((w, j) => w - base[j]);
      });
      return tau.reduce((sum, x, i) => sum + x * direction[i], 0);
    };
    const before = along();
    const optimizer = tf.train.sgd(0.1);
    for (const gradient of [[3, 1, 0, 0], [1, -1, 1, 1], direction]) {
      const step = split(turned(gradient, {}, [tauIs(direction)]));
      optimizer.applyGradients(
        Object.fromEntries(model.tensors.map(({ variable }, i) => [variable.name, step[i]])),
      );
    }
    optimizer.dispose();
    expect(along()).toBeGreaterThanOrEqual(before - 1e-5);
  });
});

describe('attract', () => {
  it('adds the mean direction of the references’ gradients, as long as the gradient times the strength', () => {
    const references = [gradientIs([0, 8, 0, 0]), gradientIs([0, 0, 0.5, 0]), referenceOf(model)];
    const found = turned([3, 0, 0, 4], { mode: 'attract' }, references, 0.4);
    // ‖g‖ = 5, times 0.4, half for each of the two that have one
    expect(largestDifference(found, [3, 1, 1, 4])).toBeLessThan(1e-6);
  });

  it('adds nothing where a reference’s gradient is zero', () => {
    const found = turned([1, 2, 3, 4], { mode: 'attract' }, [gradientIs([0, 0, 0, 0])]);
    expect(found).toEqual([1, 2, 3, 4]);
  });

  it('needs a gradient of a reference', () => {
    const context = contextOf(model, { references: [tauIs([1, 2, 3, 4])] });
    expect(() => alignment.start({ mode: 'attract' }, context)).toThrow(
      'alignment with mode attract needs references with gradients, and none of 1 has any; mode project works without',
    );
  });
});

it('leaves LoRA factors, and says so', () => {
  const context = contextOf(model, { references: [tauIs([1, 2, 3, 4])] });
  const adapted = (count: number) => ({
    ...context,
    tensors: context.tensors.map((tensor, index) => ({ ...tensor, isFactor: index < count })),
  });
  const term = alignment.start({}, adapted(1)) as GradientTerm;
  expect(term.leavesOut).toBe('alignment does not act on matrices with a LoRA adapter (a)');
  expect(() => alignment.start({}, adapted(2))).toThrow(
    /\(a and 1 more\), and there is no other; scale_jitter.* act on them$/,
  );
});
