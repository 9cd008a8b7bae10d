import * as tf from '@tensorflow/tfjs';
import { Subject } from 'rxjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AttachOptions, attach } from '../../../hooks/tfjs/index.js';
import { openBackend } from '../../../src/backend/index.js';
import { createGuard, type GuardEvent, resolveConfig, type SteerEvent } from '../../../src/guard/index.js';
import { SIDE, SIDE_WIDTH } from '../../../src/metrics/index.js';
import type { Reference } from '../../../src/reference/index.js';
import { Random } from '../../../src/tensors/index.js';
import { chosen } from '../../backend/chosen.js';
import {
  EVERY_STEP,
  eventLog,
  recordingGuard,
  referencesFor,
  SmallModel,
  train,
  turn,
} from './guarded-loop.js';

beforeAll(() => openBackend(chosen));

const RATE = 0.1;
let model: SmallModel;
let references: Reference[];
beforeEach(async () => {
  model = new SmallModel();
  references = await referencesFor(model.weights);
  return () => model.dispose();
});

const options = (steering: Record<string, Record<string, unknown>>): AttachOptions => ({
  weights: model.weights,
  references,
  config: { ...EVERY_STEP, seed: 11, steering },
});

function expectClose(found: number[][], expected: number[][]): void {
  found.flat().forEach((value, i) => {
    expect(Math.abs(value - expected.flat()[i]), `weight ${i}`).toBeLessThan(1e-5);
  });
}

/** Gradients of the loss with the shared weights at base + scale (live - base), heads where they are. */
async function gradientsAt(other: SmallModel, base: number[][], scale: number): Promise<number[][]> {
  const live = await other.read();
  const place = (values: number[][]) =>
    other.variables.forEach((variable, v) => {
      const next = tf.tensor(values[v], variable.shape);
      variable.assign(next);
      next.dispose();
    });
  const shared = live
    .slice(0, 2)
    .map((values, v) => values.map((x, i) => base[v][i] + scale * (x - base[v][i])));
  place([...shared, live[2]]);
  const { value, grads } = tf.variableGrads(other.loss, other.variables);
  const gradients = await Promise.all(
    other.variables.map(async ({ name }) => [...(await grads[name].data())]),
  );
  tf.dispose([value, grads]);
  place(live);
  return gradients;
}

/** One step of plain gradient descent. */
async function descend(other: SmallModel, gradients: number[][]): Promise<void> {
  (await other.read()).forEach((values, v) => {
    const next = tf.tensor(
      values.map((value, i) => value - RATE * gradients[v][i]),
      other.variables[v].shape,
    );
    other.variables[v].assign(next);
    next.dispose();
  });
}

const ADDED = { form: 'added', chain: true };

describe('scale_jitter, added', () => {
  it('is plain training plus the loss at base + s tau, by hand', async () => {
    const optimizer = tf.train.sgd(RATE);
    const terms = { scale_jitter: { ...ADDED, strength: 0.8, low: 0.3, high: 0.6, every: 2 } };
    const guard = await attach(optimizer, options(terms));
    const log = eventLog(guard);
    await train(model, optimizer, 6);
    await guard.detach();
    expect(log.of('steer')).toHaveLength(1);
    expect(log.of('tick').at(-1)!.cost.termMs).toBeGreaterThan(0);

    const other = new SmallModel();
    const base = await other.read();
    const random = new Random('steering', 11);
    for (let step = 0; step < 6; step++) {
      const gradients = await gradientsAt(other, base, 1);
      if (step % 2 === 1) {
        const scale = random.uniform(0.3, 0.6);
        const there = await gradientsAt(other, base, scale);
        gradients.forEach((gradient, v) => {
          // d/dw of L(base + s (w - base)) is s times the gradient there; the head is not moved.
          const factor = 0.8 * (v < 2 ? scale : 1);
          gradients[v] = gradient.map((value, i) => value + factor * there[v][i]);
        });
      }
      await descend(other, gradients);
    }
    expectClose(await model.read(), await other.read());
  });

  it('folds the plain gradient, not the sum', async () => {
    const recordings = [];
    for (const strength of [0, 1]) {
      const other = new SmallModel();
      const recording = recordingGuard();
      const optimizer = tf.train.sgd(RATE);
      const guard = await attach(optimizer, {
        ...options({ scale_jitter: { ...ADDED, strength } }),
        weights: other.weights,
        guard: recording.guard,
      });
      await train(other, optimizer, 1);
      await guard.detach();
      recordings.push(
        [...recording.observations.at(-1)!.statistics.live].filter(
          (_, i) => i % SIDE_WIDTH === SIDE.gradientNorm,
        ),
      );
    }
    expect(recordings[0]).toEqual(recordings[1]);
  });

  it('restores what the loss updates on its way, and calls it at the live weights last', async () => {
    const moving = tf.variable(tf.scalar(0), false);
    const seen: Promise<ArrayLike<number>>[] = [];
    const optimizer = tf.train.sgd(RATE);
    const weights = { ...model.weights, 'norm/moving_mean': moving };
    const guard = await attach(optimizer, {
      ...options({ scale_jitter: { ...ADDED, strength: 1 } }),
      weights,
    });
    let kept: tf.Tensor | null = null;
    const loss = () => {
      const value = model.loss();
      moving.assign(tf.add(moving, 1) as tf.Scalar);
      seen.push(model.hidden.data());
      kept = tf.keep(value.clone());
      return value;
    };
    await train(model, optimizer, 3);
    const [live] = await model.hidden.data();
    const before = tf.memory().numTensors;
    optimizer.minimize(loss, false, model.variables);
    await turn();
    const [there, last, ...more] = await Promise.all(seen);
    expect(more).toEqual([]);
    expect(there[0]).not.toBe(live);
    expect(last[0]).toBe(live);
    expect([...(await moving.data())]).toEqual([1]);
    // What the loop kept is its last one; what the other evaluation kept is gone.
    expect(kept!.isDisposed).toBe(false);
    expect(tf.memory().numTensors).toBe(before + 1);
    await guard.detach();
  });

  it.each(['added', 'in_place'])(
    'says that it can do nothing where the loop hands over gradients only (%s)',
    async (form) => {
      const optimizer = tf.train.sgd(RATE);
      const guard = await attach(optimizer, options({ scale_jitter: { strength: 1, form } }));
      const log = eventLog(guard);
      for (let step = 0; step < 3; step++) {
        const { value, grads } = tf.variableGrads(model.loss, model.variables);
        optimizer.applyGradients(grads);
        tf.dispose([value, grads]);
      }
      await guard.detach();
      expect(log.titles).toEqual(['A steering term does nothing']);
    },
  );
});

describe('subspace', () => {
  it.each(['avoid', 'encourage'])('%s: adds strength times the projection of tau, by hand', async (mode) => {
    const optimizer = tf.train.sgd(RATE);
    const guard = await attach(optimizer, options({ subspace: { strength: 0.5, mode } }));
    await train(model, optimizer, 5);
    await guard.detach();
    const other = new SmallModel();
    const base = await other.read();
    for (let step = 0; step < 5; step++) {
      const gradients = await gradientsAt(other, base, 1);
      const tau = (await other.read())[0].map((value, i) => value - base[0][i]);
      // tau is [in, out] here: P tau, P the mean over references of V V^T, V [in, k].
      const inside = new Array(72).fill(0);
      for (const { subspaces } of references) {
        const { data, shape } = subspaces.get('hidden.weight')!.right;
        for (let i = 0; i < 6; i++) {
          for (let j = 0; j < 6; j++) {
            let p = 0;
            for (let c = 0; c < shape[1]; c++) {
              p += data[i * shape[1] + c] * data[j * shape[1] + c];
            }
            for (let o = 0; o < 12; o++) {
              inside[i * 12 + o] += (p * tau[j * 12 + o]) / references.length;
            }
          }
        }
      }
      gradients[0] = gradients[0].map((value, i) => {
        return value + 0.5 * (mode === 'avoid' ? inside[i] : tau[i] - inside[i]);
      });
      await descend(other, gradients);
    }
    expectClose(await model.read(), await other.read());
  });

  it('adds to lists with nulls, and nothing for variables that are not trained', async () => {
    const optimizer = tf.train.sgd(RATE);
    const guard = await attach(optimizer, options({ subspace: { strength: 0.5 } }));
    await train(model, optimizer, 3);
    const before = await model.read();
    const zeros = tf.zeros([12]);
    const memory: number[] = [];
    // What belongs to a set of gradients may be made when it first comes.
    for (let time = 0; time < 3; time++) {
      optimizer.applyGradients([
        { name: model.hidden.name, tensor: null as unknown as tf.Tensor },
        { name: model.bias.name, tensor: zeros },
      ]);
      await tf.nextFrame();
      memory.push(tf.memory().numTensors);
    }
    expect(await model.read()).toEqual(before);
    expect(memory[2]).toBe(memory[1]);
    zeros.dispose();
    await guard.detach();
  });

  it('needs references, and does not begin without', async () => {
    const steered = options({ subspace: { strength: 0.5 } });
    const attaching = attach(tf.train.sgd(RATE), { ...steered, references: [] });
    await expect(attaching).rejects.toThrow(
      /^steering\.subspace\.strength is 0\.5: subspace needs references, and this run has none; .*sharpness/,
    );
  });
});

describe('orders of the guard', () => {
  /** A guard that steers as it is told. */
  async function ordered() {
    const orders = new Subject<GuardEvent>();
    const optimizer = tf.train.sgd(RATE);
    const guard = await attach(optimizer, {
      ...options({}),
      guard: (setup, config) => {
        const inner = createGuard(setup, resolveConfig(config), null);
        inner.events.subscribe(orders);
        return {
          events: orders,
          observe: (observation) => inner.observe(observation),
          publish: (event) => inner.publish(event),
          close: (...how) => inner.close(...how),
        };
      },
    });
    const log = eventLog(guard);
    const order = (terms: SteerEvent['terms'], lifetimeSteps: number | null) => {
      const time = '2026-01-02T03:04:05.000Z';
      const common = { run: guard.run, time, step: guard.step };
      orders.next({ event: 'steer', ...common, terms, lifetimeSteps, reason: 'test' });
    };
    return { guard, optimizer, order, log };
  }

  const jitter = { term: 'scale_jitter', strength: 1, parameters: ADDED };
  const avoid = { term: 'subspace', strength: 0.5, parameters: {} };

  it('end with their lifetime, in steps, also in a loop that hands over gradients only', async () => {
    const { guard, optimizer, order } = await ordered();
    await train(model, optimizer, 2);
    order([avoid], 3);
    const steered: boolean[] = [];
    for (let step = 0; step < 5; step++) {
      const { value, grads } = tf.variableGrads(model.loss, model.variables);
      const [before] = await model.read();
      const gradient = await grads[model.hidden.name].data();
      optimizer.applyGradients(grads);
      const plain = before.map((weight, i) => weight - RATE * gradient[i]);
      const [after] = await model.read();
      steered.push(after.some((weight, i) => Math.abs(weight - plain[i]) > 1e-5));
      tf.dispose([value, grads]);
    }
    expect(steered).toEqual([true, true, true, false, false]);
    await guard.detach();
  });

  it('replace each other, and an empty one ends them', async () => {
    const { guard, optimizer, order } = await ordered();
    let calls = 0;
    const callsOfStep = () => {
      calls = 0;
      const counted = () => {
        calls += 1;
        return model.loss();
      };
      optimizer.minimize(counted, false, model.variables);
      return calls;
    };
    expect(callsOfStep()).toBe(1);
    order([jitter], null);
    expect([callsOfStep(), callsOfStep()]).toEqual([2, 2]);
    order([jitter, { ...jitter, strength: 0.1 }], 1);
    expect([callsOfStep(), callsOfStep()]).toEqual([3, 1]);
    order([jitter], null);
    order([], null);
    expect(callsOfStep()).toBe(1);
    await guard.detach();
  });

  it('that can not be followed are alerts, what is known of them is followed', async () => {
    const { guard, order, optimizer, log } = await ordered();
    order([{ ...jitter, term: 'gravity' }, { ...jitter, parameters: { low: 'much' } }, avoid], null);
    await train(model, optimizer, 2);
    // All that is wrong in one alert, the rest is followed.
    expect(log.titles).toEqual(['Steering terms can not be followed']);
    const [{ text }] = log.of('alert');
    expect(text).toContain('unknown steering term "gravity"; known are ');
    expect(text).toContain('scale_jitter.low is "much"');
    expect(log.of('tick').at(-1)!.cost.termMs).toBeGreaterThan(0);
    await guard.detach();
  });
});
