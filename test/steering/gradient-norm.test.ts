import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import { gradientNorm } from '../../src/steering/gradient-norm.js';
import type { LossTerm } from '../../src/steering/index.js';
import { chosen } from '../backend/chosen.js';
import { contextOf, type Model, makeModel } from './model.js';
import { addTo, Quadratic, resultOf, steeredNorm, weightsOf } from './quadratic.js';

beforeAll(() => openBackend(chosen));

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

const start = (options: Record<string, unknown> = {}) =>
  gradientNorm.start(options, contextOf(model)) as LossTerm;

/** The gradient by the steered tensors, zero for heads. */
function steeredGradient(): number[][] {
  return problem
    .gradientAt(weightsOf(model))
    .map((values, v) => values.map((x) => (v < model.tensors.length ? x : 0)));
}

it.each([
  [1, 0.5],
  [0.03, 2],
])('adds strength %f times H g / ‖g‖, which is not zero, on a quadratic (radius %f)', (strength, radius) => {
  const g = steeredGradient();
  const norm = steeredNorm(model, g);
  const wanted = problem.times(g.map((values) => values.map((x) => (strength * x) / norm)));
  const { grads } = resultOf(start({ radius }), model, problem.evaluate, strength);
  const size = Math.max(...wanted.flat().map(Math.abs));
  expect(size).toBeGreaterThan(0.1 * strength);
  model.variables.forEach((_, v) => {
    grads[v].forEach((x, i) => {
      // heads get nothing
      const expected = v < model.tensors.length ? wanted[v][i] : 0;
      expect(Math.abs(x - expected)).toBeLessThan(1e-3 * size);
    });
  });
});

it('is the gradient of the penalty, by tiny steps of the weights', () => {
  const { grads } = resultOf(start({ radius: 0.5 }), model, problem.evaluate);
  const normHere = () => steeredNorm(model, steeredGradient());
  const inside = grads.map((values, v) => (v < model.tensors.length ? values : values.map(() => 0)));
  const before = normHere();
  const step = 1e-2;
  addTo(model, inside, -step);
  const squared = inside.flat().reduce((sum, x) => sum + x * x, 0);
  expect((before - normHere()) / (step * squared)).toBeCloseTo(1, 1);
});

it('shrinks the norm of the gradient step by step', () => {
  const term = start();
  const norms = Array.from({ length: 6 }, () => {
    addTo(model, resultOf(term, model, problem.evaluate).grads, -0.3);
    return steeredNorm(model, steeredGradient());
  });
  norms.slice(1).forEach((norm, i) => {
    expect(norm).toBeLessThan(norms[i]);
  });
});
