import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DeviceError, onDeviceError, openBackend } from '../../../src/backend/index.js';
import { Random } from '../../../src/tensors/random.js';
import { inMemory } from '../checks.js';
import { hasDevice, onDevice } from './has-device.js';

describe.skipIf(!hasDevice)(`unsortedSegmentSum, ${onDevice}`, () => {
  const errors: DeviceError[] = [];
  beforeAll(async () => {
    await openBackend('webgpu');
    return onDeviceError((error) => errors.push(error));
  });

  let before: ReturnType<typeof inMemory>;
  beforeEach(() => {
    before = inMemory();
  });
  afterEach(() => {
    expect(inMemory()).toEqual(before);
    expect(errors).toEqual([]);
  });

  async function segmentSum(x: tf.Tensor, ids: number[], segments: number) {
    const segmentIds = tf.tensor1d(ids, 'int32');
    const sums = tf.unsortedSegmentSum(x, segmentIds, segments);
    const { shape, dtype } = sums;
    const values = [...(await sums.data())];
    tf.dispose([x, segmentIds, sums]);
    return { shape, dtype, values };
  }

  it.each([
    { shape: [6], values: [1, 2, 3, 4, 5, 6], ids: [0, 2, -1, 0, 2, 3], wanted: [5, 0, 7] },
    { shape: [3, 2], values: [1, 2, 3, 4, 5, 6], ids: [2, 7, 2], wanted: [0, 0, 0, 0, 6, 8] },
    { shape: [2, 1, 3], values: [1, 2, 3, 4, 5, 6], ids: [-3, 1], wanted: [0, 0, 0, 4, 5, 6, 0, 0, 0] },
  ])('leaves out ids below zero and past the end, $shape', async ({ shape, values, ids, wanted }) => {
    const sums = await segmentSum(tf.tensor(values, shape), ids, 3);
    expect(sums).toEqual({ shape: [3, ...shape.slice(1)], dtype: 'float32', values: wanted });
  });

  it('adds int32 exactly, beyond what float32 holds', async () => {
    const large = 2 ** 24 + 1;
    const sums = await segmentSum(tf.tensor1d([large, 8, large], 'int32'), [1, 0, 1], 2);
    expect(sums).toEqual({ shape: [2], dtype: 'int32', values: [8, 2 * large] });
    const far = await segmentSum(tf.tensor1d([7, 8, 9], 'int32'), [-2147483648, 2, 2147483647], 2);
    expect(far.values).toEqual([0, 0]);
  });

  it('is that of a loop for many rows on few segments, empty ones and none at all', async () => {
    const random = new Random('segments');
    const [rows, inner, segments] = [700, 9, 11];
    const x = random.normals(rows * inner);
    const ids = Array.from({ length: rows }, () => random.integer(segments + 2) - 1);
    const wanted = new Float64Array(segments * inner);
    ids.forEach((id, row) => {
      for (let i = 0; i < inner && id >= 0 && id < segments; i++) {
        wanted[id * inner + i] += x[row * inner + i];
      }
    });
    const { values } = await segmentSum(tf.tensor2d(x, [rows, inner]), ids, segments);
    values.forEach((value, i) => {
      expect(Math.abs(value - wanted[i])).toBeLessThan(1e-4);
    });
    const none = await segmentSum(tf.zeros([0, 2]), [], 3);
    expect(none).toEqual({ shape: [3, 2], dtype: 'float32', values: Array(6).fill(0) });
  });
});
