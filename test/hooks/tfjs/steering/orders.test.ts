import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../../../src/backend/index.js';
import { chosen } from '../../../backend/chosen.js';
import { bitsOf } from '../../../steering/model.js';
import { SmallModel } from '../guarded-loop.js';
import { minimize, type Ordered, ordered, RATE, steeredBy, type Terms } from './support.js';

beforeAll(() => openBackend(chosen));

let model: SmallModel;
beforeEach(() => {
  model = new SmallModel();
  return () => model.dispose();
});

/** What a gradient of zeros makes of the weights under `proximal`: strength times tau is taken off. */
async function pulls(steps: number, atStep: (step: number, run: Run) => void) {
  const steered = await run();
  const gradients = model.variables.map((variable) => ({
    name: variable.name,
    tensor: tf.zerosLike(variable) as tf.Tensor,
  }));
  const strengths: number[] = [];
  for (let step = 0; step < steps; step++) {
    atStep(step, steered);
    const before = model.hidden.dataSync()[0];
    steered.optimizer.applyGradients(gradients);
    const moved = before - model.hidden.dataSync()[0];
    strengths.push(moved / (RATE * (before - steered.base)));
    await tf.nextFrame();
  }
  await steered.guard.detach();
  tf.dispose(gradients.map(({ tensor }) => tensor));
  return { strengths, log: steered.log };
}

interface Run extends Ordered {
  readonly optimizer: tf.Optimizer;
  /** the first weight's */
  readonly base: number;
}

/** A run whose weights are some way from the base, since without that there is nothing to pull. */
async function run(): Promise<Run> {
  const optimizer = tf.train.sgd(RATE);
  const steered = await ordered(optimizer, steeredBy({}, model.weights));
  const base = model.hidden.dataSync()[0];
  const away = tf.tidy(() => tf.add(model.hidden, 1));
  model.hidden.assign(away);
  away.dispose();
  return { ...steered, optimizer, base };
}

function expectStrengths(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  expected.forEach((strength, step) => {
    expect(found[step], `step ${step}`).toBeCloseTo(strength, 4);
  });
}

describe('an order', () => {
  it('fades over the last third of its lifetime, and ends', async () => {
    const { strengths } = await pulls(10, (step, { order }) => {
      if (step === 1) {
        order({ proximal: { strength: 0.6 } }, { lifetimeSteps: 6 });
      }
    });
    expectStrengths(strengths, [0, 0.6, 0.6, 0.6, 0.6, 0.6, 0.3, 0, 0, 0]);
  });

  it('starts a new life when it is renewed', async () => {
    const { strengths } = await pulls(9, (step, { order }) => {
      if (step === 0 || step === 5) {
        order({ proximal: { strength: 0.6 } }, { lifetimeSteps: 6 });
      }
    });
    expectStrengths(strengths, [0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]);
  });

  it('waits for its step, while the one before is followed; one for a step that is past does not', async () => {
    const { strengths } = await pulls(7, (step, { order }) => {
      if (step === 0) {
        order({ proximal: { strength: 0.2 } });
        order({ proximal: { strength: 0.4 } }, { fromStep: 3 });
      } else if (step === 5) {
        order({ proximal: { strength: 0.1 } }, { fromStep: 2 });
      }
    });
    expectStrengths(strengths, [0.2, 0.2, 0.2, 0.4, 0.4, 0.1, 0.1]);
  });

  it('replaces those that wait for the same step or a later one, no other', async () => {
    const { strengths } = await pulls(6, (step, { order }) => {
      if (step === 0) {
        order({ proximal: { strength: 0.2 } }, { fromStep: 1 });
        order({ proximal: { strength: 0.9 } }, { fromStep: 5 });
        order({ proximal: { strength: 0.4 } }, { fromStep: 3 });
      }
    });
    expectStrengths(strengths, [0, 0.2, 0.2, 0.4, 0.4, 0.4]);
  });

  it('tells what it can not follow once, however often it is renewed', async () => {
    const { log, strengths } = await pulls(4, (_, { order }) => {
      order({ gravity: { strength: 1 }, proximal: { strength: 0.5, radius: 2 }, subspace: { strength: 3 } });
    });
    expectStrengths(strengths, [0, 0, 0, 0]);
    const alerts = log.of('alert');
    expect(alerts.map(({ title }) => title)).toEqual(['Steering terms can not be followed']);
    expect(alerts[0].text).toContain('unknown steering term "gravity"');
    expect(alerts[0].text).toContain('radius');
    expect(alerts[0].text).toMatch(/subspace needs references.*scale_jitter.* work without/);
  });

  it('does not begin in the middle of a step', async () => {
    const { optimizer, order, guard } = await run();
    order({ proximal: { strength: 0.5 } });
    const { value, grads } = optimizer.computeGradients(model.loss, model.variables);
    order({});
    const before = model.values()[0];
    const gradient = [...grads[model.hidden.name].dataSync()];
    optimizer.applyGradients(grads);
    const plain = before.map((weight, i) => weight - RATE * gradient[i]);
    expect(Math.abs(model.values()[0][0] - plain[0])).toBeGreaterThan(0.01);
    tf.dispose([value, grads]);
    await guard.detach();
  });
});

describe('a term whose strength moves', () => {
  /** Its direction in place is an average of the gradients before, which a new start forgets. */
  const sharpness = (strength: number) => ({ sharpness: { strength, form: 'in_place', radius: 0.5 } });

  async function trained(orders: (step: number) => Terms | null) {
    const other = new SmallModel();
    const optimizer = tf.train.sgd(RATE);
    const { guard, order } = await ordered(optimizer, steeredBy({}, other.weights));
    for (let step = 0; step < 8; step++) {
      const terms = orders(step);
      if (terms) {
        order(terms);
      }
      await minimize(optimizer, other);
    }
    await guard.detach();
    const bits = bitsOf(other.variables);
    other.dispose();
    return bits;
  }

  it('keeps its state', async () => {
    const once = await trained((step) => (step === 0 ? sharpness(1) : null));
    const renewed = await trained(() => sharpness(1));
    const restarted = await trained((step) =>
      step % 2 === 0 ? { sharpness: { ...sharpness(1).sharpness, decay: 0.9 - 0.001 * step } } : null,
    );
    expect(renewed).toEqual(once);
    expect(restarted).not.toEqual(once);
  });

  it('does nothing at strength 0', async () => {
    const plain = await trained(() => null);
    const off = await trained(() => ({
      ...sharpness(0),
      scale_jitter: { strength: 0 },
      proximal: { strength: 0 },
      gradient_norm: { strength: 0 },
    }));
    expect(off).toEqual(plain);
  });
});
