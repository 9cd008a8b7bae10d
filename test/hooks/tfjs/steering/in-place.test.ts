import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../../hooks/tfjs/index.js';
import { openBackend } from '../../../../src/backend/index.js';
import { chosen } from '../../../backend/chosen.js';
import { bitsOf } from '../../../steering/model.js';
import { eventLog, recordingGuard, SmallModel } from '../guarded-loop.js';
import { descend, gradientsAt, minimize, ownStep, RATE, steeredBy } from './support.js';

beforeAll(() => openBackend(chosen));

let model: SmallModel;
beforeEach(() => {
  model = new SmallModel();
  return () => model.dispose();
});

/** Always at base + scale tau, with the gradient as it is there. */
const half = { strength: 1, low: 0.5, high: 0.5, form: 'in_place', chain: false };

function expectClose(found: number[][], expected: number[][]): void {
  found.flat().forEach((value, i) => {
    expect(Math.abs(value - expected.flat()[i]), `weight ${i}`).toBeLessThan(1e-5);
  });
}

describe('terms in place', () => {
  it('train with the gradients where they put the weights, by hand, in one evaluation', async () => {
    const optimizer = tf.train.sgd(RATE);
    const guard = await attach(optimizer, steeredBy({ scale_jitter: half }, model.weights));
    const other = new SmallModel();
    const base = other.values();
    let calls = 0;
    for (let step = 0; step < 5; step++) {
      const loss = () => {
        calls += 1;
        return model.loss();
      };
      await minimize(optimizer, model, loss);
      descend(other, gradientsAt(other, base, 0.5));
    }
    await guard.detach();
    expect(calls).toBe(5);
    expectClose(model.values(), other.values());
    other.dispose();
  });

  it('nest: the second moves from where the first has put the weights', async () => {
    const optimizer = tf.train.sgd(RATE);
    const merge = { ...half, low: 0.6, high: 0.6, partner: 'none' };
    const terms = { scale_jitter: half, merge_simulation: merge };
    const guard = await attach(optimizer, steeredBy(terms, model.weights));
    const other = new SmallModel();
    const base = other.values();
    for (let step = 0; step < 5; step++) {
      await minimize(optimizer, model);
      descend(other, gradientsAt(other, base, 0.5 * 0.6));
    }
    await guard.detach();
    expectClose(model.values(), other.values());
    other.dispose();
  });

  it('stand for the plain gradients that added terms are added to', async () => {
    const optimizer = tf.train.sgd(RATE);
    const merge = { ...half, strength: 0.7, low: 0.3, high: 0.3, partner: 'none', form: 'added' };
    const terms = { merge_simulation: merge, scale_jitter: half };
    const guard = await attach(optimizer, steeredBy(terms, model.weights));
    const other = new SmallModel();
    const base = other.values();
    for (let step = 0; step < 4; step++) {
      await minimize(optimizer, model);
      const [plain, extra] = [gradientsAt(other, base, 0.5), gradientsAt(other, base, 0.3)];
      descend(
        other,
        plain.map((values, v) => values.map((value, i) => value + 0.7 * extra[v][i])),
      );
    }
    await guard.detach();
    expectClose(model.values(), other.values());
    other.dispose();
  });

  it('leave the weights as the optimiser left them, bit by bit, also where the loss throws', async () => {
    const optimizer = tf.train.sgd(RATE);
    const terms = { scale_jitter: half, sharpness: { strength: 1, form: 'in_place', radius: 0.3 } };
    const guard = await attach(optimizer, steeredBy(terms, model.weights));
    for (let step = 0; step < 3; step++) {
      await minimize(optimizer, model);
    }
    const bits = bitsOf(model.variables);
    const { value, grads } = optimizer.computeGradients(model.loss, model.variables);
    expect(bitsOf(model.variables)).toEqual(bits);
    tf.dispose([value, grads]);
    const before = tf.memory().numTensors;
    const failing = () => {
      throw new Error('no batch left');
    };
    expect(() => optimizer.computeGradients(failing, model.variables)).toThrow('no batch left');
    expect(bitsOf(model.variables)).toEqual(bits);
    expect(tf.memory().numTensors).toBe(before);
    const log = eventLog(guard);
    await guard.detach();
    // It is the training's own failure, not that of a term.
    expect(log.titles).toEqual([]);
  });

  it('are not folded into the gradient average, and counted', async () => {
    const recording = recordingGuard();
    const optimizer = tf.train.sgd(RATE);
    const options = steeredBy({ scale_jitter: { ...half, every: 3 } }, model.weights);
    const guard = await attach(optimizer, { ...options, guard: recording.guard });
    for (let step = 0; step < 9; step++) {
      await minimize(optimizer, model);
    }
    await guard.detach();
    const perturbed = recording.observations.reduce((sum, { skipped }) => sum + skipped.perturbed, 0);
    expect(perturbed).toBe(3);
  });

  it('update what a forward pass updates once', async () => {
    const moving = tf.variable(tf.scalar(0), false);
    const optimizer = tf.train.sgd(RATE);
    const weights = { ...model.weights, 'norm/moving_mean': moving };
    const guard = await attach(optimizer, steeredBy({ scale_jitter: half }, weights));
    for (let step = 0; step < 4; step++) {
      await minimize(optimizer, model, () => {
        moving.assign(tf.add(moving, 1) as tf.Scalar);
        return model.loss();
      });
    }
    expect(moving.dataSync()[0]).toBe(4);
    await guard.detach();
    moving.dispose();
  });
});

describe('a loop that computes its gradients itself', () => {
  const terms = {
    scale_jitter: { ...half, low: 0.3, high: 0.8, strength: 0.7, every: 2 },
    sharpness: { strength: 0.5, form: 'in_place', radius: 0.2 },
  };

  it('comes to the same weights by `steered` as by minimize, bit by bit', async () => {
    const other = new SmallModel();
    const [own, minimized] = [tf.train.sgd(RATE), tf.train.sgd(RATE)];
    const guards = [
      await attach(own, steeredBy(terms, model.weights)),
      await attach(minimized, steeredBy(terms, other.weights)),
    ];
    const log = eventLog(guards[0]);
    const plain = new SmallModel();
    for (let step = 0; step < 12; step++) {
      await ownStep(own, model, guards[0]);
      await minimize(minimized, other);
      descend(plain, gradientsAt(plain, plain.values(), 1));
    }
    expect(bitsOf(model.variables)).toEqual(bitsOf(other.variables));
    expect(model.values()[0][0]).not.toBeCloseTo(plain.values()[0][0], 5);
    for (const guard of guards) {
      await guard.detach();
    }
    expect(log.titles).toEqual([]);
    expect(log.of('tick').at(-1)!.cost.termMs).toBeGreaterThan(0);
    other.dispose();
    plain.dispose();
  });

  it('says that added terms do nothing there, and what does', async () => {
    const optimizer = tf.train.sgd(RATE);
    const guard = await attach(
      optimizer,
      steeredBy({ ...terms, gradient_norm: { strength: 0.1 } }, model.weights),
    );
    const log = eventLog(guard);
    for (let step = 0; step < 3; step++) {
      await ownStep(optimizer, model, guard);
    }
    await guard.detach();
    expect(log.titles).toEqual(['A steering term does nothing']);
    expect(log.of('alert')[0].text).toMatch(/^gradient_norm: .* call optimizer.minimize/);
  });

  it('is told of added terms too where it uses computeGradients inside', async () => {
    const optimizer = tf.train.sgd(RATE);
    const guard = await attach(
      optimizer,
      steeredBy({ ...terms, gradient_norm: { strength: 0.1 } }, model.weights),
    );
    const log = eventLog(guard);
    const { value, grads } = guard.steered(() => optimizer.computeGradients(model.loss, model.variables));
    optimizer.applyGradients(grads);
    tf.dispose([value, grads]);
    await guard.detach();
    expect(log.titles).toEqual(['A steering term does nothing']);
    expect(log.of('alert')[0].text).toMatch(/^gradient_norm: .*computeGradients outside of it$/);
  });

  it('is told of `steered` where it hands over gradients only', async () => {
    const optimizer = tf.train.sgd(RATE);
    const guard = await attach(optimizer, steeredBy(terms, model.weights));
    const log = eventLog(guard);
    const { value, grads } = tf.variableGrads(model.loss, model.variables);
    optimizer.applyGradients(grads);
    tf.dispose([value, grads]);
    await guard.detach();
    expect(log.of('alert')[0].text).toMatch(
      /^scale_jitter, sharpness: .*`steered` of what attach has returned/,
    );
  });

  it('is refused a computation that `steered` can not run, with the weights back where they were', async () => {
    const optimizer = tf.train.sgd(RATE);
    const guard = await attach(optimizer, steeredBy({ scale_jitter: half }, model.weights));
    await ownStep(optimizer, model, guard);
    const bits = bitsOf(model.variables);
    const variableGrads = () => tf.variableGrads(model.loss, model.variables);
    const asynchronous = async () => variableGrads();
    const without = () => tf.variableGrads(model.loss, model.variables).value;
    expect(() => guard.steered(asynchronous as never)).toThrow(/asynchronous.*synchronously inside/s);
    expect(() => guard.steered(without as never)).toThrow('must return { value, grads }');
    expect(bitsOf(model.variables)).toEqual(bits);
    const minimizing = () => {
      optimizer.minimize(model.loss, false, model.variables);
      return variableGrads();
    };
    expect(() => guard.steered(minimizing)).toThrow('has taken an optimiser step');
    const failing = () => {
      throw new Error('no batch left');
    };
    expect(() => guard.steered(failing)).toThrow('no batch left');
    await guard.detach();
    const { value, grads } = guard.steered(variableGrads);
    expect(Object.keys(grads)).toHaveLength(3);
    tf.dispose([value, grads]);
  });

  it('may use computeGradients inside, which moves the weights once', async () => {
    const optimizer = tf.train.sgd(RATE);
    const guard = await attach(optimizer, steeredBy({ scale_jitter: half }, model.weights));
    const other = new SmallModel();
    const base = other.values();
    for (let step = 0; step < 3; step++) {
      const { value, grads } = guard.steered(() => optimizer.computeGradients(model.loss, model.variables));
      optimizer.applyGradients(grads);
      tf.dispose([value, grads]);
      descend(other, gradientsAt(other, base, 0.5));
    }
    await guard.detach();
    expectClose(model.values(), other.values());
    other.dispose();
  });
});
