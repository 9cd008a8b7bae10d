import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { openBackend } from '../../../src/backend/index.js';
import { chosen } from '../chosen.js';

/** Products of matrices, the third of the shortcuts, are in the backend contract. */
describe(`what tensorflow takes a shorter way for, on ${chosen}`, () => {
  beforeAll(async () => {
    await openBackend(chosen);
  });

  it.each([
    ['reshape to the shape that it has', (x: tf.Tensor) => tf.reshape(x, x.shape)],
    ['cast to the type that it has', (x: tf.Tensor) => tf.cast(x, x.dtype)],
  ])('%s: a tensor of its own, which outlives the first and is given back', async (_, same) => {
    const before = tf.memory();
    const first = tf.tensor2d([1, 2, Number.NaN, -0], [2, 2]);
    const computed = tf.neg(first);
    const second = same(computed);
    expect(second.dataId === computed.dataId || chosen !== 'tensorflow').toBe(true);
    tf.dispose([first, computed]);
    expect(second.shape).toEqual([2, 2]);
    expect(second.dtype).toBe('float32');
    expect([...(await second.data())]).toEqual([-1, -2, Number.NaN, 0]);
    const third = tf.add(second, second);
    expect((await third.data())[1]).toBe(-4);
    tf.dispose([second, third]);
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
  });

  it('reshapes and casts that change something', async () => {
    const x = tf.tensor2d([1.5, 2.5, 3.5, 4.5, 5.5, 6.5], [2, 3]);
    const turned = tf.reshape(x, [3, -1]);
    const whole = tf.cast(x, 'int32');
    expect(turned.shape).toEqual([3, 2]);
    expect(whole.dtype).toBe('int32');
    expect([...(await whole.data())]).toEqual([1, 2, 3, 4, 5, 6]);
    tf.dispose([x, turned, whole]);
  });
});
