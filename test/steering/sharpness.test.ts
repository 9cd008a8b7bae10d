import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import type { LossTerm } from '../../src/steering/index.js';
import { sharpness } from '../../src/steering/sharpness.js';
import { chosen } from '../backend/chosen.js';
import { contextOf, largestDifference, type Model, makeModel } from './model.js';
import { addTo, Quadratic, resultOf, steeredNorm, type Values, weightsOf } from './quadratic.js';

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

const start = (options: Record<string, unknown>) => sharpness.start(options, contextOf(model)) as LossTerm;

/** The gradient at w + radius d / ‖d‖, by hand; heads are not moved. */
function gradientUp(direction: Values, radius: number): number[][] {
  const norm = steeredNorm(model, direction);
  const place = weightsOf(model).map((values, v) =>
    v < model.tensors.length ? values.map((w, i) => w + (radius * direction[v][i]) / norm) : values,
  );
  return problem.gradientAt(place);
}

function expectClose(found: Values, wanted: Values): void {
  wanted.forEach((values, v) => {
    expect(largestDifference(found[v], values)).toBeLessThan(2e-4);
  });
}

describe('added', () => {
  it.each([
    [1, 0.05],
    [0.5, 0.3],
  ])('at strength %f mixes in the gradient at distance %f up the plain one', (strength, radius) => {
    const plain = problem.gradientAt(weightsOf(model));
    const term = start({ radius });
    const { grads } = resultOf(term, model, problem.evaluate, strength);
    const sum = grads.map((values, v) => values.map((x, i) => plain[v][i] + x));
    const up = gradientUp(plain, radius);
    expectClose(
      sum,
      up.map((values, v) => values.map((x, i) => (1 - strength) * plain[v][i] + strength * x)),
    );
  });

  it('moves each weight by its magnitude where it is adaptive', () => {
    const plain = problem.gradientAt(weightsOf(model));
    const scale = weightsOf(model).map((values) => values.map((w) => Math.abs(w) + 0.01));
    const scaled = plain.map((values, v) => values.map((x, i) => x * scale[v][i]));
    const norm = steeredNorm(model, scaled);
    const place = weightsOf(model).map((values, v) =>
      v < model.tensors.length ? values.map((w, i) => w + (0.5 * scaled[v][i] * scale[v][i]) / norm) : values,
    );
    const { grads } = resultOf(start({ radius: 0.5, adaptive: true }), model, problem.evaluate);
    const wanted = problem.gradientAt(place).map((values, v) => values.map((x, i) => x - plain[v][i]));
    expectClose(grads, wanted);
  });
});

describe('in place', () => {
  it.each(['up', 'down'])('%s: first plainly, then along the moving average of what it saw', (direction) => {
    const term = start({ form: 'in_place', radius: 0.3, decay: 0.5, direction });
    const radius = direction === 'up' ? 0.3 : -0.3;
    const plain = problem.gradientAt(weightsOf(model));
    expectClose(resultOf(term, model, problem.evaluate).grads, plain);
    const second = gradientUp(plain, radius);
    expectClose(resultOf(term, model, problem.evaluate).grads, second);
    const average = plain.map((values, v) => values.map((x, i) => 0.25 * x + 0.5 * second[v][i]));
    expectClose(resultOf(term, model, problem.evaluate).grads, gradientUp(average, radius));
    term.dispose();
  });

  it('forgets a gradient that is not finite', () => {
    const term = start({ form: 'in_place', radius: 0.3 });
    const plain = resultOf(term, model, problem.evaluate).grads;
    resultOf(term, model, (loss) => {
      const { value, grads } = problem.evaluate(loss);
      const { name } = model.variables[0];
      const broken = { ...grads, [name]: tf.tidy(() => tf.mul(grads[name], Number.NaN)) };
      grads[name].dispose();
      return { value, grads: broken };
    });
    const { grads } = resultOf(term, model, problem.evaluate);
    expect(grads.flat().every(Number.isFinite)).toBe(true);
    expect(grads).not.toEqual(plain);
    term.dispose();
  });
});

/** Every point with x = 0 is a minimum of (1 + y²) x² / 2, the one with y = 0 the flattest. */
describe('steps on a valley that is flatter at one end', () => {
  /** |y| where gradient descent from (1, 2) gets. */
  function endOf(options: Record<string, unknown> | null): number {
    const w = tf.tidy(() => tf.variable(tf.tensor1d([1, 2])));
    const base = tf.zeros([2]);
    const tensor = { name: 'w', variable: w, transposed: false, isFactor: false, base: () => base };
    const context = { ...contextOf(model), tensors: [tensor] };
    const term = options && (sharpness.start(options, context) as LossTerm);
    const loss = () =>
      tf.tidy(() => {
        const [x, y] = tf.unstack(w);
        return tf.mul(tf.mul(tf.add(tf.square(y), 1), tf.square(x)), 0.5) as tf.Scalar;
      });
    const evaluate = (given: () => tf.Scalar = loss) => tf.variableGrads(given, [w]);
    for (let step = 0; step < 200; step++) {
      const next = tf.tidy(() => {
        const { grads } = evaluate();
        const plain = { value: tf.scalar(0), grads };
        const given = term?.evaluate(evaluate, 1, plain).grads[w.name];
        const added = term?.form === 'added' ? tf.add(grads[w.name], given as tf.Tensor) : given;
        return tf.sub(w, tf.mul(added ?? grads[w.name], 0.1)) as tf.Tensor1D;
      });
      w.assign(next);
      next.dispose();
    }
    const [, y] = w.dataSync();
    term?.dispose();
    tf.dispose([w, base]);
    return Math.abs(y);
  }

  it('lead along it, which plain descent does not', () => {
    expect(endOf(null)).toBeGreaterThan(1.5);
    expect(endOf({ radius: 0.5 })).toBeLessThan(0.2);
    const inPlace = { radius: 0.5, form: 'in_place', decay: 0.5 };
    expect(endOf({ ...inPlace, direction: 'down' })).toBeLessThan(0.2);
    expect(endOf({ ...inPlace, direction: 'up' })).toBeLessThan(1.4);
  });
});

it('descends, in place too', () => {
  for (const form of ['added', 'in_place']) {
    const term = start({ form });
    const before = problemLoss();
    for (let step = 0; step < 5; step++) {
      const plain = problem.gradientAt(weightsOf(model));
      const { grads } = resultOf(term, model, problem.evaluate);
      addTo(model, form === 'added' ? plain : grads, -0.1);
      if (form === 'added') {
        addTo(model, grads, -0.1);
      }
    }
    expect(problemLoss()).toBeLessThan(before);
    term.dispose();
  }
});

function problemLoss(): number {
  return tf.tidy(() => problem.loss().dataSync()[0]);
}
