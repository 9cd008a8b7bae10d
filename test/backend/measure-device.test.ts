import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { type DeviceError, reportDeviceError } from '../../src/backend/device-errors.js';
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

  describe('where a larger size fails', () => {
    /** The active backend's kernel, which does this first for tensors of more elements than the smallest size has. */
    function replaceNeg(first: () => void): () => void {
      const original = tf.getKernel('Neg', chosen);
      tf.unregisterKernel('Neg', chosen);
      const kernelFunc: tf.KernelFunc = (parameters) => {
        if (tf.util.sizeFromShape((parameters.inputs.x as tf.TensorInfo).shape) > 2 ** 18) {
          first();
        }
        return original.kernelFunc(parameters);
      };
      tf.registerKernel({ ...original, kernelFunc });
      return () => {
        tf.unregisterKernel('Neg', chosen);
        tf.registerKernel(original);
      };
    }
    function fail(message: string): () => void {
      return () => {
        throw new Error(message);
      };
    }
    function say(kind: DeviceError['kind'], message: string): () => void {
      return () => reportDeviceError({ kind, message });
    }

    it.each([
      ['thrown', fail('RESOURCE_EXHAUSTED: failed to allocate memory')],
      ['said by the device', say('out-of-memory', 'out-of-memory error of the webgpu device X')],
    ])('for want of memory, %s, the size before is told', async (_, first) => {
      const { numTensors } = tf.memory();
      const restore = replaceNeg(first);
      try {
        expect((await measureDevice()).copy.bytes).toBe(2 ** 20);
      } finally {
        restore();
      }
      expect(tf.memory().numTensors).toBe(numTensors);
    });

    it.each([
      ['thrown', 'the shader does not compile', fail('the shader does not compile')],
      ['said by the device', 'validation error of X', say('validation', 'validation error of X')],
    ])('for another reason, %s, that is the error', async (_, message, first) => {
      const restore = replaceNeg(first);
      // However busy this machine is, no size takes so long that the next is left out.
      let now = 0;
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => now++);
      try {
        await expect(measureDevice()).rejects.toThrow(message);
      } finally {
        clock.mockRestore();
        restore();
      }
    });
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
