import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { answerMs, deviceDone, isAsynchronous, measureDevice, openBackend } from '../../src/backend/index.js';
import { chosen } from './chosen.js';

describe(`measuring a device, ${chosen}`, () => {
  beforeAll(async () => {
    await openBackend(chosen);
  });

  it('gives every tensor back, and leaves the flags of the backend as they were', async () => {
    const before = tf.memory();
    const flags = { ...tf.env().getFlags() };
    const { copy, matrices, answerMs: answer } = await measureDevice();
    expect(Math.min(copy.bytesPerSecond, matrices.flopsPerSecond, answer)).toBeGreaterThan(0);
    expect(copy.bytes).toBeGreaterThanOrEqual(2 ** 20);
    expect(matrices.size).toBeGreaterThanOrEqual(128);
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numBytes).toBe(before.numBytes);
    for (const [name, value] of Object.entries(flags)) {
      expect(tf.env().get(name), name).toBe(value);
    }
  });

  it('waits for what the device was handed, and keeps nothing', async () => {
    const { numTensors } = tf.memory();
    await deviceDone();
    expect(await answerMs()).toBeGreaterThan(0);
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  it('knows which devices compute beside the thread', () => {
    if (chosen === 'webgpu') {
      expect(isAsynchronous()).toBe(true);
    } else if (chosen !== 'tensorflow') {
      expect(isAsynchronous()).toBe(false);
    }
  });
});
