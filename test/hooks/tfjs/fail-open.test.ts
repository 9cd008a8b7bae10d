import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AttachOptions, attach } from '../../../hooks/tfjs/index.js';
import { NativeDecomposer } from '../../../hooks/tfjs/native-svd.js';
import { WorkerDecomposer } from '../../../hooks/tfjs/worker-decomposer.js';
import { openBackend } from '../../../src/backend/index.js';
import {
  createGuard,
  type Guard,
  type GuardConfigInput,
  type RunSetup,
  resolveConfig,
} from '../../../src/guard/index.js';
import type { Reference } from '../../../src/reference/index.js';
import { chosen } from '../../backend/chosen.js';
import { EVERY_STEP, eventLog, referencesFor, SmallModel, train } from './guarded-loop.js';

beforeAll(() => openBackend(chosen));

let model: SmallModel;
let references: Reference[];
beforeEach(async () => {
  model = new SmallModel();
  references = await referencesFor(model.weights);
  return () => model.dispose();
});

const options = (): AttachOptions => ({ weights: model.weights, references, config: EVERY_STEP });
const strict = { ...EVERY_STEP, strict: true };

/** A guard whose observe fails on these observations. */
function failingGuard(fails: (observation: number) => boolean) {
  let seen = 0;
  return (setup: RunSetup, options: GuardConfigInput): Guard => {
    const inner = createGuard(setup, resolveConfig(options), null);
    return {
      events: inner.events,
      observe(observation) {
        seen += 1;
        if (fails(seen)) {
          throw new Error(`observation ${seen} was too much`);
        }
        inner.observe(observation);
      },
      publish: (event) => inner.publish(event),
      close: (...how) => inner.close(...how),
    };
  };
}

/** A predict function that works until it is told not to. */
function breakable() {
  const state = { broken: false };
  const predict = (inputs: tf.Tensor) => {
    if (state.broken) {
      throw new Error('predict broke');
    }
    return model.predict(inputs);
  };
  return { state, calibration: { inputs: model.inputs, labels: model.labels, predict } };
}

/** The weights after so many steps without a guard. */
async function plainly(steps: number): Promise<number[][]> {
  const other = new SmallModel();
  await train(other, tf.train.sgd(0.1), steps);
  return other.values();
}

describe('the training goes on', () => {
  it('through gradients with NaN, which are counted and reported', async () => {
    const optimizer = tf.train.sgd(0);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    const gradient = (value: number) => ({
      [model.hidden.name]: tf.fill([6, 12], value),
      [model.bias.name]: tf.fill([12], 0.5),
    });
    for (const value of [1, Number.NaN, Number.POSITIVE_INFINITY, 1, 1]) {
      // A rate of 0 does not save weights from NaN: only the average is fed here.
      const weights = model.hidden.clone();
      optimizer.applyGradients(gradient(value));
      model.hidden.assign(weights as tf.Tensor2D);
      await tf.nextFrame();
    }
    await guard.detach();
    expect(guard.step).toBe(5);
    expect(log.of('tick').reduce((sum, { dropped }) => sum + dropped.nonFinite, 0)).toBe(2);
    expect(log.of('alert').map(({ rule, state }) => [rule, state])).toEqual([
      ['nonFinite', 'raised'],
      ['nonFinite', 'cleared'],
    ]);
    expect(log.of('tick').at(-1)!.live.gradientNorm).toBeCloseTo(Math.sqrt(72 + 12 * 0.5 ** 2), 4);
  });

  it.each([
    // By tick, from step 1; the one at the end is measured after the last step.
    [1, [1, 1, Number.NaN, Number.NaN, 1], [0, 1, 2, 0, 0]],
    [2, [1, 1, Number.NaN, 1, 1, 1], [0, 2, 3, 0, 0, 0]],
  ])(
    'and an average that gets nothing but NaN has an age, folding every %i',
    async (foldStride, values, expected) => {
      const optimizer = tf.train.sgd(0);
      const config = { ...EVERY_STEP, tap: { every: 1, foldStride } };
      const guard = await attach(optimizer, { ...options(), config });
      const log = eventLog(guard);
      for (const value of values) {
        const weights = model.hidden.clone();
        const gradient = tf.fill([6, 12], value);
        optimizer.applyGradients({ [model.hidden.name]: gradient });
        model.hidden.assign(weights as tf.Tensor2D);
        await tf.nextFrame();
      }
      await guard.detach();
      const ages = log.of('tick').map(({ ages: { encoder_gradient_cosine_similarity: age } }) => age ?? 0);
      expect(ages).toEqual(expected);
    },
  );

  it('when observe throws: an alert each, and after three in a row the tap is off and says so', async () => {
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, { ...options(), guard: failingGuard((n) => n === 2 || n >= 5) });
    const log = eventLog(guard);
    await train(model, optimizer, 12);
    await guard.detach();
    expect(guard.step).toBe(12);
    const failed = 'The tap failed; training goes on';
    expect(log.titles).toEqual([failed, failed, failed, failed, 'The tap is switched off']);
    expect(log.of('alert').at(-1)).toMatchObject({
      rule: 'internal',
      text: '3 failures in a row, the last: observation 7 was too much',
    });
    expect(log.of('tick')).toHaveLength(3);
    expect(log.of('end')).toHaveLength(1);
    expect(model.values()).toEqual(await plainly(12));
  });

  it('when predict throws: the self-probe alone goes off, ticks go on', async () => {
    const { state, calibration } = breakable();
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, { ...options(), calibration });
    const log = eventLog(guard);
    await train(model, optimizer, 10, (step) => {
      state.broken = step >= 3;
    });
    await guard.detach();
    const failed = 'The self-probe failed; training goes on';
    // the same failure is told once
    expect(log.titles).toEqual([failed, 'The self-probe is switched off']);
    expect(log.of('tick')).toHaveLength(10);
    expect(log.of('tick').at(-1)!.selfProbe?.step).toBe(2);
    expect(model.values()).toEqual(await plainly(10));
  });

  it('when a read of the device fails', async () => {
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    const backend = tf.backend();
    const { read } = backend;
    await train(model, optimizer, 6, (step) => {
      backend.read = step === 3 ? () => Promise.reject(new Error('device lost')) : read;
    });
    await guard.detach();
    expect(log.of('alert')).toMatchObject([
      { title: 'The tap failed; training goes on', text: 'device lost' },
    ]);
    expect(log.of('tick')).toHaveLength(5);
  });

  it('when a steering term fails: without its addition', async () => {
    const optimizer = tf.train.sgd(0.1);
    const config = { ...EVERY_STEP, steering: { scale_jitter: { strength: 1, form: 'added' } } };
    const guard = await attach(optimizer, { ...options(), config });
    const log = eventLog(guard);
    // The second evaluation of a step is the plain one, in a loop of one's own.
    let calls = 0;
    for (let step = 0; step < 8; step++) {
      calls = 0;
      optimizer.minimize(
        () => {
          calls += 1;
          if (calls === 1 && step < 3) {
            throw new Error('not at these weights');
          }
          return model.loss();
        },
        false,
        model.variables,
      );
      await tf.nextFrame();
    }
    await guard.detach();
    const failed = 'The term scale_jitter failed; training goes on';
    expect(log.titles).toEqual([failed, 'The term scale_jitter is switched off']);
    expect(calls).toBe(1);
    expect(model.values()).toEqual(await plainly(8));
  });

  it('an error of the loss function itself stays the user’s', async () => {
    const optimizer = tf.train.sgd(0.1);
    const added = { strength: 1, form: 'added' };
    for (const scale_jitter of [{ strength: 0 }, added, { strength: 1, form: 'in_place' }]) {
      const config = { ...EVERY_STEP, steering: { scale_jitter } };
      const guard = await attach(optimizer, { ...options(), config });
      const broken = () => {
        throw new Error('my own mistake');
      };
      expect(() => optimizer.minimize(broken, false, model.variables)).toThrow('my own mistake');
      await guard.detach();
    }
  });

  it('a failure while ending is an event, and the memory is given back', async () => {
    const optimizer = tf.train.sgd(0.1);
    const before = tf.memory().numTensors;
    const guard = await attach(optimizer, { ...options(), guard: failingGuard(() => true) });
    const log = eventLog(guard);
    const fails = guard.detach('done', async () => {
      throw new Error('no summary');
    });
    await expect(fails).rejects.toThrow('no summary');
    expect(log.of('end')[0]).toMatchObject({ status: 'failed', reason: 'no summary' });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('the device memory is given back', () => {
  const slow = { ...EVERY_STEP, slow: { every: 1 } };

  it('when the thread of the slow lane can not be closed', async () => {
    const spy = vi.spyOn(WorkerDecomposer.prototype, 'close').mockRejectedValue(new Error('it hangs'));
    const optimizer = tf.train.sgd(0.1);
    const before = tf.memory().numTensors;
    const { calibration } = breakable();
    const guard = await attach(optimizer, { ...options(), config: slow, calibration });
    await expect(guard.detach('failed')).rejects.toThrow('it hangs');
    expect(tf.memory().numTensors).toBe(before);
    spy.mockRestore();
  });

  it('when the slow lane can not be opened', async () => {
    const spy = vi.spyOn(NativeDecomposer, 'open').mockImplementation(() => {
      throw new Error('no such device');
    });
    const optimizer = tf.train.sgd(0.1);
    const before = tf.memory().numTensors;
    const { calibration } = model;
    const attaching = attach(optimizer, { ...options(), config: slow, calibration });
    await expect(attaching).rejects.toThrow('no such device');
    expect(tf.memory().numTensors).toBe(before);
    spy.mockRestore();
  });

  it('when a guard of one’s own is none, and what there is of it is closed', async () => {
    const closed: unknown[] = [];
    const guard = () => ({ close: async (...how: unknown[]) => void closed.push(how) }) as unknown as Guard;
    const optimizer = tf.train.sgd(0.1);
    const before = tf.memory().numTensors;
    await expect(attach(optimizer, { ...options(), guard })).rejects.toThrow(TypeError);
    expect(tf.memory().numTensors).toBe(before);
    expect(closed).toMatchObject([['failed', {}, expect.stringContaining('subscribe')]]);
  });
});

describe('with strict the training is stopped', () => {
  it('by predict, at the step', async () => {
    const { state, calibration } = breakable();
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, { ...options(), config: strict, calibration });
    await train(model, optimizer, 2);
    state.broken = true;
    expect(() => optimizer.minimize(model.loss, false, model.variables)).toThrow('predict broke');
    state.broken = false;
    await guard.detach('failed');
  });

  it('by observe, at the next step or on detaching', async () => {
    const fails = failingGuard((n) => n >= 2);
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, { ...options(), config: strict, guard: fails });
    const log = eventLog(guard);
    await expect(train(model, optimizer, 9)).rejects.toThrow('observation 2 was too much');
    expect(guard.step).toBe(3);
    await expect(guard.detach()).rejects.toThrow('observation 3 was too much');
    expect(log.of('end')[0]).toMatchObject({ status: 'failed', reason: 'observation 3 was too much' });
    expect(Object.hasOwn(optimizer, 'applyGradients')).toBe(false);
  });
});
