import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DeviceError, describeBackend, onDeviceError, openBackend } from '../../../src/backend/index.js';
import { MergeguardError } from '../../../src/tensors/errors.js';
import { inMemory } from '../checks.js';
import { hasDevice, isSoftware, onDevice } from './has-device.js';

/** What a test may ask a software driver for; SwiftShader refuses the first GiB. */
const MOST_BYTES = 2 ** 32;

/** A buffer without a use, which no device makes. */
function makeWrongBuffer(): void {
  device().createBuffer({ size: 4, usage: 0 });
}

function device(): GPUDevice {
  return (tf.backend() as WebGPUBackend).device;
}

describe.skipIf(!hasDevice)(onDevice, () => {
  beforeAll(async () => {
    await openBackend('webgpu');
  });

  it('the device has all that the adapter allows', async () => {
    const adapter = (await navigator.gpu.requestAdapter())!;
    const names = Object.keys(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(adapter.limits)));
    const limits = names.filter(
      (name) => typeof adapter.limits[name as keyof GPUSupportedLimits] === 'number',
    );
    expect(limits).toContain('maxStorageBuffersPerShaderStage');
    for (const name of limits as (keyof GPUSupportedLimits)[]) {
      expect(device().limits[name], name).toBe(adapter.limits[name]);
    }
    for (const feature of ['subgroups', 'timestamp-query', 'shader-f16']) {
      expect(device().features.has(feature), feature).toBe(adapter.features.has(feature));
    }
  });

  it('is opened once, however often it is asked for', async () => {
    const backend = tf.backend();
    const kept = tf.tensor1d([1, 2, 3]);
    await openBackend('cpu');
    await openBackend('webgpu');
    expect(tf.backend()).toBe(backend);
    expect([...(await kept.data())]).toEqual([1, 2, 3]);
    kept.dispose();
  });

  it('says what it is, and auto leaves it alone where that is software', async () => {
    const { description } = await openBackend('webgpu');
    expect(describeBackend()).toBe(description);
    const { name, rejected } = await openBackend('auto');
    const isSoftware = description.endsWith(', a software adapter');
    expect(name === 'webgpu').toBe(!isSoftware && rejected.every((other) => other.name !== 'webgpu'));
    const reason = rejected.find((other) => other.name === 'webgpu')?.reason ?? '';
    expect(reason.includes('is a software adapter, slower than wasm')).toBe(isSoftware);
    await openBackend('webgpu');
  });

  it('can not be waited for: a synchronous read is refused with the way out, values on the host are given', () => {
    const host = tf.tensor1d([1, 2]);
    expect([...host.dataSync()]).toEqual([1, 2]);
    const computed = tf.fill([5000], 1).square();
    expect(() => computed.dataSync()).toThrow(MergeguardError);
    expect(() => computed.dataSync()).toThrow('use `await tensor.data()`');
    tf.dispose([host, computed]);
  });

  it('reads a tensor that is disposed meanwhile', async () => {
    const before = inMemory();
    const computed = tf.tidy(() => tf.fill([5000], 2).square());
    const read = computed.data();
    computed.dispose();
    expect((await read)[4999]).toBe(4);
    expect(inMemory()).toEqual(before);
  });

  describe('errors of the device', () => {
    let errors: DeviceError[];
    let end: () => void;
    beforeEach(() => {
      errors = [];
      end = onDeviceError((error) => errors.push(error));
      return () => end();
    });

    it('reach who listens, with their kind and the device', async () => {
      makeWrongBuffer();
      await device().queue.onSubmittedWorkDone();
      expect(errors).toMatchObject([{ kind: 'validation' }]);
      expect(errors[0].message).toContain('validation error of the webgpu device ');
      expect(errors[0].message).toContain('usage');
      expect(errors[0].message).not.toContain('\n');
    });

    // Other devices would have to be filled.
    it.skipIf(!isSoftware)('say where memory has run out', async () => {
      const { maxBufferSize } = device().limits;
      const most = Math.max(1, Math.floor(MOST_BYTES / maxBufferSize));
      const made: GPUBuffer[] = [];
      while (errors.length === 0 && made.length < most) {
        made.push(device().createBuffer({ size: maxBufferSize, usage: GPUBufferUsage.STORAGE }));
        await device().queue.onSubmittedWorkDone();
      }
      for (const buffer of made) {
        buffer.destroy();
      }
      expect(errors, `after ${made.length} buffers of ${maxBufferSize} bytes`).toMatchObject([
        { kind: 'out-of-memory' },
      ]);
    });

    it('no longer reach who has ended it, and are warnings of the process then, each once', async () => {
      end();
      const warnings: string[] = [];
      const listener = (warning: Error) => warnings.push(warning.message);
      process.on('warning', listener);
      makeWrongBuffer();
      makeWrongBuffer();
      await device().queue.onSubmittedWorkDone();
      await new Promise((resolve) => setImmediate(resolve));
      process.off('warning', listener);
      expect(errors).toEqual([]);
      expect(
        warnings.filter((text) => text.startsWith('validation error of the webgpu device')),
      ).toHaveLength(1);
    });
  });
});
