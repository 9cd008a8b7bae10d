import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AttachOptions, attach } from '../../../../hooks/tfjs/index.js';
import { reportDeviceError } from '../../../../src/backend/device-errors.js';
import { openBackend } from '../../../../src/backend/index.js';
import type { Reference } from '../../../../src/reference/index.js';
import { EVERY_STEP, eventLog, referencesFor, SmallModel, train } from '../guarded-loop.js';
import { FullDevice } from './full-device.js';

/** Sums by block of the small model's shared tensors: nothing but ticks makes what is of this shape. */
const BLOCKS = 2;
const TITLE = 'The device ran out of memory; fewer references are watched at a time, training goes on';

beforeAll(() => openBackend('wasm'));

let model: SmallModel;
let references: readonly Reference[];
let device: FullDevice;
beforeEach(async () => {
  model = new SmallModel();
  references = await referencesFor(model.weights, ['one', 'two', 'three', 'four']);
  device = new FullDevice();
  return () => {
    device.restore();
    model.dispose();
  };
});

const options = (): AttachOptions => ({ weights: model.weights, references, config: EVERY_STEP });

/** The next `count` of a tick's allocations fail. */
function failing(count: number): (shape: readonly number[]) => boolean {
  let left = count;
  return (shape) => {
    const fails = shape.length === 1 && shape[0] === BLOCKS && left > 0;
    left -= fails ? 1 : 0;
    return fails;
  };
}

/** The weights after so many steps without a guard. */
async function plainly(steps: number): Promise<number[][]> {
  const other = new SmallModel();
  await train(other, tf.train.sgd(0.1), steps);
  return other.values();
}

describe('a device that runs out of memory during a tick', () => {
  it('gets its memory back; fewer references are watched at a time, one alert says so, and training goes on', async () => {
    const optimizer = tf.train.sgd(0.1);
    const before = tf.memory().numTensors;
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    const held: number[] = [];
    await train(model, optimizer, 10, (step) => {
      held.push(tf.memory().numTensors);
      device.fails = failing(step === 3 ? 1 : 0);
    });
    // Task vectors and gradients of four references, then none, then of two.
    expect(held[4]).toBe(held[3] - 8);
    expect(held.slice(5)).toEqual(new Array(5).fill(held[3] - 4));
    await guard.detach();
    expect(tf.memory().numTensors).toBe(before);
    expect(log.titles).toEqual([TITLE]);
    expect(log.of('alert')[0]).toMatchObject({
      rule: 'internal',
      level: 'warning',
      step: 3,
      evidence: { residentsBefore: 4, residents: 2, atATimeBefore: 4, atATime: 3 },
      text: expect.stringMatching(
        /^2 instead of 4 references lie on the device .* 3 instead of 4 .* every 2 ticks\. .*OOM when allocating tensor with shape\[2\]/,
      ),
    });
    const ticks = log.of('tick');
    expect(ticks.map(({ step }) => step)).toEqual([1, 2, 4, 5, 6, 7, 8, 9, 10]);
    const older = ticks.map(({ pairs }) => pairs.map(({ measuredAt }) => measuredAt ?? null));
    expect(older.slice(0, 2).flat()).toEqual(new Array(8).fill(null));
    expect(older.slice(2, 5)).toEqual([
      [null, null, null, 2],
      [null, null, 4, null],
      [null, null, null, 5],
    ]);
    // The final weights, against all.
    expect(older.at(-1)).toEqual([null, null, null, null]);
    expect(model.values()).toEqual(await plainly(10));
  });

  it('is charged less for a tick from then on, as much as it compares less', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    // A mock: a backend whose device computes beside the thread, which none here does. What the first ticks make takes a millisecond.
    const backend = tf.backend() as { isUsingGpuDevice?: boolean };
    backend.isUsingGpuDevice = true;
    try {
      device.fails = (shape) => {
        vi.advanceTimersByTime(shape.length === 1 && shape[0] === BLOCKS ? 1 : 0);
        return false;
      };
      const optimizer = tf.train.sgd(0.1);
      const guard = await attach(optimizer, options());
      const log = eventLog(guard);
      await train(model, optimizer, 6, (step) => {
        device.fails = failing(step === 2 ? 1 : 0);
      });
      await guard.detach();
      expect(log.titles).toEqual([TITLE]);
      const costs = log.of('tick').map(({ cost }) => cost.tickMs!);
      expect(costs[0]).toBeGreaterThan(1);
      // Weights, base and gradient, and two vectors of each reference: three of them instead of four.
      expect(costs.at(-1)! / costs[0]).toBeCloseTo((3 + 2 * 3) / (3 + 2 * 4), 6);
    } finally {
      delete backend.isUsingGpuDevice;
      vi.useRealTimers();
    }
  });

  it('that has no room for one reference either: the tap is off after three more, and training goes on', async () => {
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    const held: number[] = [];
    await train(model, optimizer, 12, (step) => {
      held.push(tf.memory().numTensors);
      device.fails = failing(step >= 2 ? Number.POSITIVE_INFINITY : 0);
    });
    await guard.detach();
    expect(log.titles).toEqual([
      TITLE,
      TITLE,
      TITLE,
      'The tap failed; training goes on',
      'The tap is switched off',
    ]);
    expect(
      log
        .of('alert')
        .filter(({ title }) => title === TITLE)
        .map(({ evidence }) => evidence),
    ).toEqual([
      { residentsBefore: 4, residents: 2, atATimeBefore: 4, atATime: 3 },
      { residentsBefore: 2, residents: 1, atATimeBefore: 3, atATime: 2 },
      { residentsBefore: 1, residents: 0, atATimeBefore: 2, atATime: 1 },
    ]);
    expect(held.at(-1)).toBe(held[2] - 8);
    expect(log.of('tick').map(({ step }) => step)).toEqual([1]);
    expect(guard.step).toBe(12);
    expect(model.values()).toEqual(await plainly(12));
  });

  it('while attaching: it attaches with as many as there is room for', async () => {
    device.fails = failing(1);
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    expect(log.titles).toEqual([TITLE]);
    await train(model, optimizer, 2);
    await guard.detach();
    expect(log.of('tick').map(({ step }) => step)).toEqual([1, 2]);
  });

  it('at the end: the final tick is taken again, against all references', async () => {
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    await train(model, optimizer, 3);
    device.fails = failing(2);
    await guard.detach();
    expect(log.titles).toEqual([TITLE, TITLE]);
    const last = log.of('tick').at(-1)!;
    expect(last.step).toBe(3);
    expect(last.pairs.every(({ measuredAt }) => measuredAt === undefined)).toBe(true);
    expect(log.of('end')).toMatchObject([{ status: 'detached' }]);
  });

  it('when it is read, or that says so outside of any call: that tick is left out', async () => {
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    const backend = tf.backend();
    const { read } = backend;
    await train(model, optimizer, 8, (step) => {
      backend.read =
        step === 2 ? () => Promise.reject(new Error('RESOURCE_EXHAUSTED: failed to allocate')) : read;
      if (step === 5) {
        reportDeviceError({ kind: 'out-of-memory', message: 'out-of-memory error of the webgpu device X' });
      }
    });
    await guard.detach();
    expect(log.titles).toEqual([TITLE, TITLE]);
    expect(log.of('tick').map(({ step }) => step)).toEqual([1, 3, 4, 6, 7, 8]);
  });

  it('is a failure like any other where the error is of something else', async () => {
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    const backend = tf.backend();
    const { read } = backend;
    await train(model, optimizer, 4, (step) => {
      backend.read = step === 2 ? () => Promise.reject(new Error('no such room in the BLOOM')) : read;
    });
    await guard.detach();
    expect(log.titles).toEqual(['The tap failed; training goes on']);
  });
});

describe('a device that runs out of memory between ticks', () => {
  /** Samples that something else is not of, so that its allocations are known by their rows. */
  const ROWS = 7;
  const ofRows = (shape: readonly number[]) => shape.length > 1 && shape[0] === ROWS;
  const others = { selfProbe: { enabled: false }, functional: { enabled: false } };

  it.each([
    // The vector that a fold joins gradients to; a tick comes only after it.
    ['a fold', (shape: readonly number[]) => shape.length === 1 && shape[0] === BLOCKS * 128, others],
    ['a self-probe', ofRows, { ...others, selfProbe: { every: 1, samples: ROWS } }],
    ['a piece of the slow lane', ofRows, { ...others, functional: { every: 1, samples: ROWS } }],
  ])('gets its memory back, in training and while attaching: %s', async (_, isIts, config) => {
    references = await referencesFor(model.weights, ['one', 'two', 'three', 'four'], undefined, [6]);
    let [left, asked] = [0, 0];
    device.fails = (shape) => {
      const isOne = isIts(shape);
      asked += isOne ? 1 : 0;
      left -= isOne ? 1 : 0;
      return isOne && left === 0;
    };
    const optimizer = tf.train.sgd(0);
    const before = tf.memory().numTensors;
    const attached = async () => {
      const calibration = model.calibration;
      const guard = await attach(optimizer, {
        ...options(),
        calibration,
        config: { ...EVERY_STEP, ...config },
      });
      return { guard, log: eventLog(guard) };
    };
    const { guard, log } = await attached();
    const inAttaching = asked;
    await train(model, optimizer, 4, (step) => {
      left = step === 1 ? 1 : left;
    });
    expect(log.titles).toEqual([TITLE]);
    expect(log.of('alert').find(({ title }) => title === TITLE)!.evidence).toMatchObject({
      residentsBefore: 4,
      residents: 2,
    });
    await guard.detach();
    expect(log.of('tick').map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    // The last one of a rehearsal.
    left = inAttaching;
    const again = await attached();
    expect(again.log.titles).toEqual([TITLE]);
    await again.guard.detach();
    expect(tf.memory().numTensors).toBe(before);
  });
});
