import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { attach } from '../../../../hooks/tfjs/index.js';
import { openBackend } from '../../../../src/backend/index.js';
import type { GuardConfigInput } from '../../../../src/guard/index.js';
import { chosen } from '../../../backend/chosen.js';
import { EVERY_STEP, eventLog, referencesFor, SmallModel, train } from '../guarded-loop.js';

beforeAll(() => openBackend(chosen));

/** A software device takes its time, a second a step. */
const TIMEOUT = chosen === 'webgpu' ? 600_000 : 60_000;

const steering = { subspace: { strength: 0.01 }, alignment: { strength: 0.5 } };
const cases: [string, GuardConfigInput][] = [
  ['with the references on the device', EVERY_STEP],
  ['with references that take turns', { ...EVERY_STEP, tap: { every: 1, foldStride: 1, deviceMemory: 0 } }],
  [
    'with references that take turns and steer',
    { ...EVERY_STEP, steering, tap: { every: 1, foldStride: 1, deviceMemory: 0 } },
  ],
];

describe('after warm-up the guard allocates nothing that it does not give back at once', () => {
  it.each(cases)('in 50 steps, each with a tick, %s', { timeout: TIMEOUT }, async (_, config) => {
    const model = new SmallModel();
    const references = await referencesFor(model.weights, ['one', 'two', 'three']);
    const optimizer = tf.train.momentum(0.01, 0.9);
    const guard = await attach(optimizer, {
      weights: model.weights,
      references,
      config,
      calibration: model.calibration,
    });
    const log = eventLog(guard);
    await train(model, optimizer, 15);
    const before = log.of('tick').length;
    const held: Record<string, number>[] = [];
    await train(model, optimizer, 51, () => {
      // Counts of the webgpu backend's buffers beside those that every backend has.
      const { numTensors, numDataBuffers, numBytes, ...more } = tf.memory() as tf.MemoryInfo & {
        numBytesInGPU?: number;
        numBytesAllocatedInGPU?: number;
      };
      const { numBytesInGPU = 0, numBytesAllocatedInGPU = 0 } = more;
      held.push({ numTensors, numDataBuffers, numBytes, numBytesInGPU, numBytesAllocatedInGPU });
    });
    expect(held.slice(1)).toEqual(new Array(50).fill(held[0]));
    expect(log.of('tick').length - before).toBeGreaterThan(40);
    expect(log.titles).toEqual([]);
    await guard.detach();
    model.dispose();
  });
});
