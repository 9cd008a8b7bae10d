import * as tf from '@tensorflow/tfjs';
import {
  type Array64,
  conv64,
  depthwise64,
  halfSquare64,
  matMul64,
  matrixAt,
  type Padding,
  pool64,
  transpose64,
} from './float64.js';
import { halfSquare, type Network, normals64, opNetwork } from './network.js';

/** Half the squared distance of an op's result from a target: both arguments are variables. */
function opLoss(
  name: string,
  shapes: readonly (readonly number[])[],
  host: (inputs: readonly Array64[]) => Array64,
  device: (inputs: readonly tf.Tensor[]) => tf.Tensor,
): Network {
  const shape = host(shapes.map((size) => normals64(size, 1))).shape;
  const target = normals64(shape, 1, name, 'target');
  return opNetwork({
    name,
    shapes,
    hostLoss: (inputs) => halfSquare64(host(inputs), target),
    deviceLoss: (inputs) => halfSquare(device(inputs), target),
  });
}

interface Case {
  size: [number, number];
  strides: [number, number];
  pad: Padding;
}

const CONVOLUTIONS: Case[] = [
  { size: [3, 3], strides: [1, 1], pad: 'same' },
  { size: [3, 3], strides: [2, 2], pad: 'same' },
  { size: [3, 2], strides: [1, 1], pad: 'valid' },
  { size: [2, 3], strides: [2, 2], pad: 'valid' },
  // leaves the last row and column of the image out
  { size: [1, 1], strides: [2, 2], pad: 'valid' },
  { size: [2, 2], strides: [3, 3], pad: 'valid' },
  { size: [3, 3], strides: [2, 2], pad: 1 },
];

function describeCase({ size, strides, pad }: Case): string {
  return `${size.join('x')}, strides ${strides.join('x')}, ${pad}`;
}

const convolutions = [...CONVOLUTIONS, { size: [2, 2], strides: [2, 1], pad: 'same' } as Case].map((each) =>
  opLoss(
    `conv2d ${describeCase(each)}`,
    [
      [2, 6, 5, 2],
      [...each.size, 2, 3],
    ],
    ([x, filter]) => conv64(x, filter, each),
    ([x, filter]) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, each.strides, each.pad),
  ),
);

const depthwise = CONVOLUTIONS.flatMap((each) =>
  [1, 2].map((multiplier) =>
    opLoss(
      `depthwiseConv2d ${describeCase(each)}, multiplier ${multiplier}`,
      [
        [2, 6, 5, 2],
        [...each.size, 2, multiplier],
      ],
      ([x, filter]) => depthwise64(x, filter, each),
      ([x, filter]) => tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, each.strides, each.pad),
    ),
  ),
);

const POOLS: Case[] = [
  { size: [2, 2], strides: [2, 2], pad: 'valid' },
  { size: [2, 2], strides: [1, 1], pad: 'valid' },
  { size: [3, 3], strides: [2, 2], pad: 'same' },
  { size: [3, 2], strides: [1, 1], pad: 'same' },
  { size: [3, 3], strides: [2, 2], pad: 1 },
];

const pools = POOLS.flatMap((each) => [
  opLoss(
    `maxPool ${describeCase(each)}`,
    [[2, 6, 5, 2]],
    ([x]) => pool64(x, each, 'max'),
    ([x]) => tf.maxPool(x as tf.Tensor4D, each.size, each.strides, each.pad),
  ),
  opLoss(
    `avgPool ${describeCase(each)}`,
    [[2, 6, 5, 2]],
    ([x]) => pool64(x, each, 'avg'),
    ([x]) => tf.avgPool(x as tf.Tensor4D, each.size, each.strides, each.pad),
  ),
]);

/** [batch, m, k] times [batch, k, n], either one stored turned. */
const products = [false, true].flatMap((transposeA) =>
  [false, true].map((transposeB) =>
    opLoss(
      `matMul, ${transposeA ? 'transposed' : 'plain'} times ${transposeB ? 'transposed' : 'plain'}`,
      [transposeA ? [2, 4, 3] : [2, 3, 4], transposeB ? [2, 5, 4] : [2, 4, 5]],
      ([a, b]) => {
        const left = transposeA ? transpose64(a) : a;
        const right = transposeB ? transpose64(b) : b;
        const parts = [0, 1].map((index) => matMul64(matrixAt(left, index), matrixAt(right, index)));
        return { shape: [2, 3, 5], data: Float64Array.from(parts.flatMap(({ data }) => [...data])) };
      },
      ([a, b]) => tf.matMul(a, b, transposeA, transposeB),
    ),
  ),
);

const INDICES = [3, 0, 3, 1];

/** Along the second axis, the gradient goes through transposes. */
const gatherColumns = opLoss(
  'gather along the second axis',
  [[3, 4]],
  ([x]) => ({
    shape: [3, 4],
    data: Float64Array.from([0, 1, 2].flatMap((row) => INDICES.map((index) => x.data[row * 4 + index]))),
  }),
  ([x]) => tf.gather(x, tf.tensor1d(INDICES, 'int32'), 1),
);

/** Single ops, each an argument's gradient away from a kernel that src/backend brings. */
export const OPS: readonly Network[] = [...convolutions, ...depthwise, ...pools, ...products, gatherColumns];
