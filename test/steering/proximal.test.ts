import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import type { GradientTerm } from '../../src/steering/index.js';
import { proximal } from '../../src/steering/proximal.js';
import { chosen } from '../backend/chosen.js';
import { contextOf, largestDifference, type Model, makeModel } from './model.js';
import { baseOf, Quadratic, weightsOf } from './quadratic.js';

beforeAll(() => openBackend(chosen));

let model: Model;
let problem: Quadratic;
beforeEach(() => {
  model = makeModel();
  problem = new Quadratic(model);
});
afterEach(() => {
  model.dispose();
  problem.dispose();
});

/** tau of the steered tensors. */
function taus(): number[][] {
  const base = baseOf(model);
  return weightsOf(model)
    .slice(0, model.tensors.length)
    .map((values, v) => values.map((w, i) => w - base[v][i]));
}

it('adds strength times tau, and steps of it shrink tau by that share', () => {
  const term = proximal.start({}, contextOf(model)) as GradientTerm;
  expect(term.leavesOut).toBeNull();
  const before = taus();
  const [strength, rate, steps] = [0.5, 0.2, 4];
  const optimizer = tf.train.sgd(rate);
  for (let step = 0; step < steps; step++) {
    tf.tidy(() => {
      const { grads } = problem.evaluate();
      const additions = term.additions(grads, strength);
      expect(Object.keys(additions)).toEqual(model.tensors.map(({ variable }) => variable.name));
      optimizer.applyGradients(additions);
    });
  }
  const left = (1 - strength * rate) ** steps;
  taus().forEach((values, v) => {
    const wanted = before[v].map((x) => left * x);
    expect(largestDifference(values, wanted)).toBeLessThan(1e-5);
    expect(Math.max(...before[v].map(Math.abs))).toBeGreaterThan(1e-3);
  });
  optimizer.dispose();
  term.dispose();
});
