import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AttachOptions, attach } from '../../../../hooks/tfjs/index.js';
import { openBackend } from '../../../../src/backend/index.js';
import type { Reference } from '../../../../src/reference/index.js';
import { FullDevice } from '../../../backend/webgpu/full-device.js';
import { isSoftware, onDevice } from '../../../backend/webgpu/has-device.js';
import { EVERY_STEP, eventLog, referencesFor, SmallModel, train, turn } from '../guarded-loop.js';

/** Bytes of the small model's task vector, which nothing but ticks makes. */
const TASK_VECTOR = 4 * 256;
const STEPS = 6;
const TITLE = 'The device ran out of memory; fewer references are watched at a time, training goes on';

describe.skipIf(!isSoftware)(`a tick without memory, ${onDevice}`, () => {
  let model: SmallModel;
  let references: readonly Reference[];
  beforeAll(async () => {
    await openBackend('webgpu');
  });
  beforeEach(async () => {
    model = new SmallModel();
    references = await referencesFor(model.weights, ['one', 'two', 'three', 'four']);
    return () => model.dispose();
  });

  const options = (): AttachOptions => ({ weights: model.weights, references, config: EVERY_STEP });

  /** The weights after the same steps without a guard. */
  async function plainly(): Promise<number[][]> {
    const other = new SmallModel();
    await train(other, tf.train.sgd(0.1), STEPS);
    const weights = await other.read();
    other.dispose();
    return weights;
  }

  it('leaves the training as it is, bit by bit; the next one has room', async () => {
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    const device = new FullDevice();
    await train(model, optimizer, STEPS, (step) => {
      if (step === 3) {
        // What ticks before have left in the pool would do.
        (tf.backend() as unknown as { releaseFreeMemory(): void }).releaseFreeMemory();
      }
      let left = step === 3 ? 2 : 0;
      device.fails = (bytes) => bytes === TASK_VECTOR && left-- > 0;
    });
    device.restore();
    await guard.detach();
    expect(log.titles).toEqual([TITLE]);
    const steps = log.of('tick').map(({ step }) => step);
    expect(steps).not.toContain(3);
    expect(steps.at(-1)).toBe(STEPS);
    expect(steps.length).toBeGreaterThan(2);
    expect(await model.read()).toEqual(await plainly());
  });

  it('that an error of the device falls into is not handed out', async () => {
    const optimizer = tf.train.sgd(0.1);
    const guard = await attach(optimizer, options());
    const log = eventLog(guard);
    for (let step = 0; step < STEPS; step++) {
      optimizer.minimize(model.loss, false, model.variables);
      if (step === 3) {
        // A buffer without a use, which no device makes, while the tick waits to be read.
        (tf.backend() as WebGPUBackend).device.createBuffer({ size: 4, usage: 0 });
      }
      await turn();
    }
    await guard.detach();
    expect(log.titles).toContain('The tap failed; training goes on');
    const steps = log.of('tick').map(({ step }) => step);
    expect(steps).not.toContain(3);
    expect(steps.at(-1)).toBe(STEPS);
    expect(await model.read()).toEqual(await plainly());
  });
});
