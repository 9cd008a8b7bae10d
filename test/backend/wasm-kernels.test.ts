import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import { expectClose, inMemory } from './checks.js';
import { type Array64, depthwise64, zeros64 } from './float64.js';
import { normals64, onDevice, values64 } from './network.js';

beforeAll(async () => {
  await openBackend('wasm');
});

let before: ReturnType<typeof inMemory>;
beforeEach(() => {
  before = inMemory();
});
afterEach(() => {
  expect(inMemory()).toEqual(before);
});

/** Runs a kernel as the gradient functions of tfjs do, and disposes what it was given. */
async function runKernel(name: string, inputs: tf.NamedTensorMap, attrs: object): Promise<Array64> {
  const result = tf.engine().runKernel(name, inputs, attrs as tf.NamedAttrMap) as tf.Tensor;
  const values = await values64(result);
  tf.dispose([result, inputs]);
  return values;
}

describe('UnsortedSegmentSum', () => {
  function segmentSum(x: tf.Tensor, ids: number[], segments: number): tf.Tensor {
    const segmentIds = tf.tensor1d(ids, 'int32');
    const sums = tf.unsortedSegmentSum(x, segmentIds, segments);
    tf.dispose([x, segmentIds]);
    return sums;
  }

  it.each([
    { shape: [6], values: [1, 2, 3, 4, 5, 6], ids: [0, 2, -1, 0, 2, 3], wanted: [5, 0, 7] },
    { shape: [3, 2], values: [1, 2, 3, 4, 5, 6], ids: [2, 7, 2], wanted: [0, 0, 0, 0, 6, 8] },
    { shape: [2, 1, 3], values: [1, 2, 3, 4, 5, 6], ids: [-3, 1], wanted: [0, 0, 0, 4, 5, 6, 0, 0, 0] },
  ])('leaves out ids below zero and past the end, $shape', async ({ shape, values, ids, wanted }) => {
    const sums = segmentSum(tf.tensor(values, shape), ids, 3);
    expect(sums.shape).toEqual([3, ...shape.slice(1)]);
    expect([...(await sums.data())]).toEqual(wanted);
    sums.dispose();
  });

  it('is zero where every id is out of range, and keeps int32', async () => {
    const sums = segmentSum(tf.tensor1d([7, 8, 9], 'int32'), [-2147483648, 2, 2147483647], 2);
    expect(sums.dtype).toBe('int32');
    expect([...(await sums.data())]).toEqual([0, 0]);
    sums.dispose();
  });

  it('finds its arguments where the heap has grown', async () => {
    // A result of 40 MB is beyond the 16 MB that the module begins with.
    const segments = 10_000_000;
    const sums = segmentSum(tf.tensor1d([1, 2, 4]), [segments - 1, 0, segments - 1], segments);
    const ends = tf.tidy(() => tf.concat([tf.slice(sums, 0, 1), tf.slice(sums, segments - 1, 1)]));
    expect([...(await ends.data())]).toEqual([2, 5]);
    tf.dispose([sums, ends]);
  });
});

describe('MaxPoolGrad', () => {
  it.each([
    ['a window of negatives', [-4, -1, -2, -3], [0, 1, 0, 0]],
    ['a window of zeros', [0, 0, 0, 0], [1, 0, 0, 0]],
    ['negative infinities', Array(4).fill(Number.NEGATIVE_INFINITY), [1, 0, 0, 0]],
    ['the first of equals', [1, 3, 3, 3], [0, 1, 0, 0]],
  ])('gives the gradient to %s', async (_, values, wanted) => {
    // The first image takes a gradient of its own, so that one gone astray would show.
    const x = tf.tensor4d([1, 2, 3, 4, ...values], [2, 2, 2, 1]);
    const gradient = tf.grad((image: tf.Tensor) => tf.sum(tf.maxPool(image as tf.Tensor4D, 2, 2, 'valid')))(
      x,
    );
    expect([...(await gradient.data())]).toEqual([0, 0, 0, 1, ...wanted]);
    tf.dispose([x, gradient]);
  });
});

describe('depthwise gradients with dilation', () => {
  // tfjs does not differentiate dilated convolutions; its kernels' contract has them all the same.
  const x = normals64([2, 6, 5, 2], 1, 'x');
  const filter = normals64([2, 3, 2, 2], 1, 'filter');
  const attrs = { strides: [1, 1], dilations: [2, 2] };

  it.each(['same', 'valid'] as const)('%s', async (pad) => {
    const forward = (image: Array64, weights: Array64) =>
      depthwise64(image, weights, { strides: [1, 1], pad, dilation: 2 });
    const dy = normals64(forward(x, filter).shape, 1, 'dy');
    const inner = (y: Array64) => y.data.reduce((sum, value, i) => sum + value * dy.data[i], 0);
    const filterGradient = await runKernel(
      'DepthwiseConv2dNativeBackpropFilter',
      { x: onDevice(x), dy: onDevice(dy) },
      { ...attrs, pad, filterShape: filter.shape },
    );
    expectClose(
      filterGradient,
      linearGradient(filter.shape, (weights) => inner(forward(x, weights))),
    );
    const inputGradient = await runKernel(
      'DepthwiseConv2dNativeBackpropInput',
      { dy: onDevice(dy), filter: onDevice(filter) },
      { ...attrs, pad, inputShape: x.shape },
    );
    expectClose(
      inputGradient,
      linearGradient(x.shape, (image) => inner(forward(image, filter))),
    );
  });

  /** Of a linear function: its values at the unit vectors. */
  function linearGradient(shape: readonly number[], value: (at: Array64) => number): Array64 {
    const unit = zeros64(shape);
    return {
      shape,
      data: unit.data.map((_, index) => {
        unit.data[index] = 1;
        const slope = value(unit);
        unit.data[index] = 0;
        return slope;
      }),
    };
  }
});

describe('Conv2DBackpropFilter', () => {
  it('takes images with the channels first', async () => {
    const attrs = { strides: [2, 1], pad: 'valid', filterShape: [3, 2, 2, 3] };
    const x = onDevice(normals64([2, 6, 5, 2], 1, 'x'));
    const dy = onDevice(normals64([2, 2, 4, 3], 1, 'dy'));
    const turned = { x: tf.transpose(x, [0, 3, 1, 2]), dy: tf.transpose(dy, [0, 3, 1, 2]) };
    const last = await runKernel('Conv2DBackpropFilter', { x, dy }, { ...attrs, dataFormat: 'NHWC' });
    const first = await runKernel('Conv2DBackpropFilter', turned, { ...attrs, dataFormat: 'NCHW' });
    expectClose(first, last);
  });
});
