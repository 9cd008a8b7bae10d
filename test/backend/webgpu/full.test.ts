import * as tf from '@tensorflow/tfjs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type DeviceError,
  isOutOfMemory,
  onDeviceError,
  openBackend,
  releaseFreeMemory,
} from '../../../src/backend/index.js';
import { inMemory } from '../checks.js';
import { FullDevice } from './full-device.js';
import { isSoftware, onDevice } from './has-device.js';

/** [used, held], bytes in buffers of the backend */
function bytes(): [number, number] {
  const { numBytesInGPU, numBytesAllocatedInGPU } = tf.memory() as unknown as Record<string, number>;
  return [numBytesInGPU, numBytesAllocatedInGPU];
}

/** Sizes that nothing else here is of, so that the pool has none. */
let size = 100_003;

describe.skipIf(!isSoftware)(`a device without room for a buffer, ${onDevice}`, () => {
  let device: FullDevice;
  let errors: DeviceError[];
  beforeAll(async () => {
    await openBackend('webgpu');
  });
  beforeEach(() => {
    size += 1;
    errors = [];
    const end = onDeviceError((error) => errors.push(error));
    device = new FullDevice();
    return () => {
      device.restore();
      end();
    };
  });

  it('throws, and what was recorded before runs; the size can be had when there is room again', async () => {
    const before = inMemory();
    const doubled = tf.tidy(() => tf.mul(tf.fill([64], 21), 2));
    device.fails = (asked) => asked === 4 * size;
    let thrown: unknown;
    try {
      tf.fill([size], 1);
    } catch (error) {
      thrown = error;
    }
    expect(isOutOfMemory(thrown)).toBe(true);
    expect((thrown as Error).message).toMatch(
      /no room for a buffer of \d+ bytes beside \d+ in use.*vkAllocateMemory/,
    );
    expect((await doubled.data())[63]).toBe(42);
    doubled.dispose();
    expect(inMemory()).toEqual(before);
    device.fails = () => false;
    const filled = tf.fill([size], 3);
    expect((await filled.data())[size - 1]).toBe(3);
    filled.dispose();
    // Whoever asked for it was told.
    expect(errors).toEqual([]);
  });

  it('gets free buffers back first, and is asked again', async () => {
    const other = tf.fill([size + 500], 1);
    await other.data();
    other.dispose();
    let left = 1;
    device.fails = (asked) => asked === 4 * size && left-- > 0;
    const filled = tf.fill([size], 3);
    const [used, held] = bytes();
    expect(held).toBe(used);
    expect((await filled.data())[size - 1]).toBe(3);
    filled.dispose();
    expect(errors).toEqual([]);
  });

  it('leaves the result of a kernel to nobody where an argument has no room', () => {
    const data = tf.tensor1d(new Float32Array(size));
    const before = inMemory();
    const [used] = bytes();
    let left = 0;
    // The result's buffer is made before the argument's.
    device.fails = (asked) => asked === 4 * size && left++ > 0;
    expect(() => tf.square(data)).toThrow('out of memory');
    expect(inMemory()).toEqual(before);
    expect(bytes()[0]).toBe(used);
    data.dispose();
  });

  it('gives back what is free when it is told to; what is in use stays', async () => {
    const kept = tf.fill([size], 5);
    const gone = tf.fill([size + 500], 1);
    await tf.add(gone, 1).data();
    gone.dispose();
    expect(bytes()[1]).toBeGreaterThan(bytes()[0]);
    // Not submitted yet, of a buffer that is free right after.
    const sum = tf.tidy(() => tf.sum(tf.mul(kept, 2)));
    releaseFreeMemory();
    const [used, held] = bytes();
    expect(held).toBe(used);
    expect([...(await sum.data())]).toEqual([10 * size]);
    expect((await kept.data())[0]).toBe(5);
    tf.dispose([kept, sum]);
    expect(errors).toEqual([]);
  });
});
