import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Attached, attach, guardCallback } from '../../../../hooks/tfjs/index.js';
import { SameDraws } from '../../../../hooks/tfjs/steering/same-draws.js';
import { openBackend } from '../../../../src/backend/index.js';
import type { GuardConfigInput } from '../../../../src/guard/index.js';
import { Random } from '../../../../src/tensors/index.js';
import { chosen } from '../../../backend/chosen.js';
import { EVERY_STEP, EventLog, eventLog, SmallModel } from '../guarded-loop.js';
import { dropoutModel, minimize, RATE, samples, steeredBy, type Terms, withRandom } from './support.js';

beforeAll(() => openBackend(chosen));

const DIFFERS = 'The loss is not the same between evaluations';

describe('the same draws', () => {
  it('make the same dropout masks, and Math.random is as it was', () => {
    const original = Math.random;
    const draws = new SameDraws();
    const mask = () => [...tf.dropout(tf.ones([200]), 0.5).dataSync()];
    const [first, again, other] = tf.tidy(() => [draws.run(mask), draws.run(mask), mask()]);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    expect(() =>
      draws.run(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(Math.random).toBe(original);
  });

  it('go on where an evaluation draws more than the first', async () => {
    await withRandom(3, async () => {
      const draws = new SameDraws();
      const one = draws.run(() => Math.random());
      const three = draws.run(() => [Math.random(), Math.random(), Math.random()]);
      expect(three[0]).toBe(one);
      expect(draws.run(() => [Math.random(), Math.random(), Math.random()])).toEqual(three);
    });
  });
});

/** Trains the model with dropout and BatchNorm by `fit`. */
async function fitted(steering: Terms | null, seed = 5) {
  return withRandom(seed, async () => {
    const model = dropoutModel();
    const { inputs, labels } = samples();
    const log = new EventLog();
    const batches: tf.Logs[] = [];
    const tensors: number[] = [];
    const watching = new tf.CustomCallback({
      onBatchEnd: async (_, logs) => {
        const { loss, acc } = logs as tf.Logs;
        batches.push({ loss, acc });
        tensors.push(tf.memory().numTensors);
      },
    });
    const ours = steering
      ? [
          guardCallback({
            references: [],
            config: { ...EVERY_STEP, seed: 11, steering } as GuardConfigInput,
            onAttached: (attached: Attached) => {
              attached.events.subscribe((event) => log.events.push(event));
            },
          }),
        ]
      : [];
    await model.fit(inputs, labels, {
      epochs: 6,
      batchSize: 8,
      verbose: 0,
      shuffle: false,
      callbacks: [...ours, watching],
    });
    const weights = model.getWeights().map((weight) => [...weight.dataSync()]);
    tf.dispose([inputs, labels]);
    model.dispose();
    return { weights, batches, tensors, log };
  });
}

const ALL: Terms = {
  scale_jitter: { strength: 0.5, form: 'added', chain: true, every: 2 },
  merge_simulation: { strength: 0.5, form: 'in_place', every: 3 },
  sharpness: { strength: 0.5, radius: 0.1 },
  gradient_norm: { strength: 0.05, every: 2 },
  proximal: { strength: 0.01 },
};

describe('fit with dropout and BatchNorm', () => {
  it('draws as plain training does: the terms off, and a term that adds nothing, leave its weights bit by bit', async () => {
    const plain = await fitted(null);
    const off = await fitted({
      sharpness: { strength: 0 },
      merge_simulation: { strength: 0, form: 'in_place' },
    });
    expect(off.weights).toEqual(plain.weights);
    expect(off.batches).toEqual(plain.batches);
    // Two evaluations on every step, of which the second counts for nothing that is seen in float32.
    const nothing = await fitted({ scale_jitter: { strength: 1e-30, form: 'added' } });
    expect(nothing.weights).toEqual(plain.weights);
    expect(nothing.batches).toEqual(plain.batches);
    expect(nothing.log.of('tick').at(-1)!.cost.termMs).toBeGreaterThan(0);
  });

  it('comes to the same weights with the same seed, other ones with another, and does not grow', async () => {
    const [first, again, other] = [await fitted(ALL), await fitted(ALL), await fitted(ALL, 6)];
    expect(again.weights).toEqual(first.weights);
    expect(other.weights).not.toEqual(first.weights);
    expect(first.log.titles).toEqual([]);
    // After the first batches, on which terms make what they remember.
    expect(new Set(first.tensors.slice(2)).size).toBe(1);
    expect(first.log.of('tick').at(-1)!.cost.steering).toBeGreaterThan(0);
  });
});

describe('a loss that is not the same between evaluations', () => {
  async function alertsOf(steering: Terms, lossOf: (model: SmallModel) => () => tf.Scalar) {
    const model = new SmallModel();
    const optimizer = tf.train.sgd(RATE);
    const guard = await attach(optimizer, steeredBy(steering, model.weights));
    const log = eventLog(guard);
    const loss = lossOf(model);
    for (let step = 0; step < 4; step++) {
      await minimize(optimizer, model, loss);
    }
    await guard.detach();
    model.dispose();
    return log;
  }

  const sharpness = { sharpness: { strength: 1, radius: 0.1 } };

  /** A batch that is drawn inside the loss function, by a generator of the loop's own. */
  const drawing = (model: SmallModel) => {
    const random = new Random('batches');
    return () => tf.mul(model.loss(), 1 + 0.5 * random.uniform()) as tf.Scalar;
  };

  it('is told once, with what to do', async () => {
    const log = await alertsOf(sharpness, drawing);
    expect(log.titles).toEqual([DIFFERS]);
    const [{ text, evidence }] = log.of('alert');
    expect(text).toMatch(/^sharpness compares .*Draw the batch before calling minimize/s);
    expect(evidence.first).not.toBe(evidence.again);
  });

  it('is told beside a term in place too', async () => {
    const terms = { ...sharpness, scale_jitter: { strength: 1, form: 'in_place' } };
    expect((await alertsOf(terms, drawing)).titles).toEqual([DIFFERS]);
  });

  it('is not told of dropout that draws from Math.random', async () => {
    const dropped = (model: SmallModel) => () => tf.mul(model.loss(), tf.sum(tf.dropout(tf.ones([50]), 0.5)));
    expect((await alertsOf(sharpness, dropped as typeof drawing)).titles).toEqual([]);
  });

  it('does not matter to terms that do not compare gradients', async () => {
    expect((await alertsOf({ scale_jitter: { strength: 1, form: 'added' } }, drawing)).titles).toEqual([]);
  });
});

describe('what a loss function keeps', () => {
  it('is left once, and a constant that it makes on its first call stays', async () => {
    const model = new SmallModel();
    const optimizer = tf.train.sgd(RATE);
    const steering = {
      sharpness: { strength: 1, radius: 0.1 },
      scale_jitter: { strength: 1, form: 'added' },
    };
    const guard = await attach(optimizer, steeredBy(steering, model.weights));
    const log = eventLog(guard);
    let constant: tf.Tensor | null = null;
    let last: tf.Tensor | null = null;
    const loss = () => {
      constant ??= tf.keep(tf.scalar(2));
      const value = tf.mul(model.loss(), constant) as tf.Scalar;
      last = tf.keep(value.clone());
      return value;
    };
    const tensors: number[] = [];
    for (let step = 0; step < 6; step++) {
      await minimize(optimizer, model, loss);
      expect(last!.isDisposed).toBe(false);
      tensors.push(tf.memory().numTensors);
      last!.dispose();
    }
    expect(constant!.isDisposed).toBe(false);
    expect(new Set(tensors.slice(2)).size).toBe(1);
    await guard.detach();
    expect(log.titles).toEqual([]);
    constant!.dispose();
    model.dispose();
  });
});
