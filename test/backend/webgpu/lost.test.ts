import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { beforeAll, describe, expect, it } from 'vitest';
import { type DeviceError, DeviceLostError, onDeviceError, openBackend } from '../../../src/backend/index.js';
import { hasDevice, onDevice } from './has-device.js';

describe.skipIf(!hasDevice)(`a lost device, ${onDevice}`, () => {
  const told: DeviceError[] = [];
  let before: tf.Tensor;
  let pending: unknown;

  // One device a process: it is lost once, in the middle of a read.
  beforeAll(async () => {
    await openBackend('webgpu');
    onDeviceError((error) => told.push(error));
    before = tf.randomUniform([64, 64]);
    const product = tf.matMul(before, before);
    const read = product.data().catch((error: unknown) => error);
    (tf.backend() as WebGPUBackend).device.destroy();
    pending = await read;
  });

  it('rejects the read under way, with the adapter, the reason and the way out', () => {
    expect(pending).toBeInstanceOf(DeviceLostError);
    const { message } = pending as Error;
    expect(message).toMatch(/^the webgpu device .+ was lost \(destroyed/);
    expect(message).toContain('start again in a new process');
  });

  it('is told once', () => {
    expect(told).toEqual([{ kind: 'lost', message: (pending as Error).message }]);
  });

  it('rejects reads and refuses kernels from then on', async () => {
    expect(() => tf.matMul(before, before)).toThrow(DeviceLostError);
    await expect(before.data()).rejects.toBeInstanceOf(DeviceLostError);
    expect(() => before.dataSync()).toThrow(DeviceLostError);
  });

  it('lets its tensors be disposed', () => {
    const { numTensors } = tf.memory();
    before.dispose();
    expect(tf.memory().numTensors).toBe(numTensors - 1);
  });

  it('does not open again in this process; another backend does', async () => {
    await expect(openBackend('webgpu')).rejects.toThrow('was lost (destroyed');
    expect((await openBackend('auto')).name).not.toBe('webgpu');
    const sum = tf.tidy(() => tf.sum(tf.tensor1d([1, 2, 3])));
    expect([...(await sum.data())]).toEqual([6]);
    sum.dispose();
  });
});
