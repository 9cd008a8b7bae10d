import * as tf from '@tensorflow/tfjs';
import { VisionTransformer } from '../../src/zoo/vision-transformer.js';
import {
  type Array64,
  addBias64,
  conv64,
  crossEntropy64,
  dense64,
  depthwise64,
  gather64,
  pool64,
  relu64,
  reshape64,
  tanh64,
  zeros64,
} from './float64.js';
import {
  assign,
  crossEntropy,
  layersNetwork,
  type Network,
  normals64,
  onDevice,
  opNetwork,
} from './network.js';
import { transformer64 } from './transformer64.js';

const ONE = { strides: [1, 1], pad: 'same' } as const;
const TWO = { strides: [2, 2], pad: 'valid' } as const;

const inputs = normals64([4, 5], 1, 'inputs');
const labels = [2, 0, 1, 2];

const mlp = opNetwork({
  name: 'MLP of ops',
  shapes: [[5, 6], [6], [6, 3], [3]],
  hostLoss: ([kernel1, bias1, kernel2, bias2]) =>
    crossEntropy64(dense64(relu64(dense64(inputs, kernel1, bias1)), kernel2, bias2), labels),
  deviceLoss: ([kernel1, bias1, kernel2, bias2]) => {
    const hidden = tf.relu(tf.add(tf.matMul(onDevice(inputs), kernel1), bias1));
    return crossEntropy(tf.add(tf.matMul(hidden, kernel2), bias2), labels);
  },
});

const mlpLayers = layersNetwork({
  name: 'MLP of layers',
  layers: () => [
    tf.layers.dense({ units: 6, activation: 'tanh', inputShape: [5] }),
    tf.layers.dense({ units: 4, activation: 'relu' }),
    tf.layers.dense({ units: 3 }),
  ],
  hostLoss: ([kernel1, bias1, kernel2, bias2, kernel3, bias3]) => {
    const first = tanh64(dense64(inputs, kernel1, bias1));
    return crossEntropy64(dense64(relu64(dense64(first, kernel2, bias2)), kernel3, bias3), labels);
  },
  deviceLoss: (model) => crossEntropy(model.apply(onDevice(inputs)) as tf.Tensor, labels),
});

const images = normals64([2, 7, 6, 2], 1, 'images');
const imageLabels = [1, 0];

/** Both strides, both paddings, both ways to pool; 7 x 6 images, so that 'same' pads unevenly. */
function cnnLoss64([filter1, bias1, filter2, bias2, kernel, bias]: readonly Array64[]): number {
  let x = relu64(addBias64(conv64(images, filter1, ONE), bias1));
  x = pool64(x, { size: [2, 2], strides: [1, 1], pad: 'valid' }, 'max');
  x = tanh64(addBias64(conv64(x, filter2, TWO), bias2));
  x = pool64(x, { size: [2, 2], strides: [2, 2], pad: 'same' }, 'avg');
  return crossEntropy64(dense64(reshape64(x, [2, x.data.length / 2]), kernel, bias), imageLabels);
}

const cnn = opNetwork({
  name: 'CNN of ops',
  shapes: [[3, 3, 2, 3], [3], [2, 3, 3, 4], [4], [8, 2], [2]],
  hostLoss: cnnLoss64,
  deviceLoss: ([filter1, bias1, filter2, bias2, kernel, bias]) => {
    let x: tf.Tensor = onDevice(images);
    x = tf.relu(tf.add(tf.conv2d(x as tf.Tensor4D, filter1 as tf.Tensor4D, 1, 'same'), bias1));
    x = tf.maxPool(x as tf.Tensor4D, 2, 1, 'valid');
    x = tf.tanh(tf.add(tf.conv2d(x as tf.Tensor4D, filter2 as tf.Tensor4D, 2, 'valid'), bias2));
    x = tf.avgPool(x as tf.Tensor4D, 2, 2, 'same');
    return crossEntropy(tf.add(tf.matMul(tf.reshape(x, [2, 8]), kernel), bias), imageLabels);
  },
});

const cnnLayers = layersNetwork({
  name: 'CNN of layers',
  layers: () => [
    tf.layers.conv2d({
      filters: 3,
      kernelSize: 3,
      padding: 'same',
      activation: 'relu',
      inputShape: [7, 6, 2],
    }),
    tf.layers.maxPooling2d({ poolSize: 2, strides: 1 }),
    tf.layers.conv2d({ filters: 4, kernelSize: [2, 3], strides: 2, activation: 'tanh' }),
    tf.layers.averagePooling2d({ poolSize: 2, padding: 'same' }),
    tf.layers.flatten(),
    tf.layers.dense({ units: 2 }),
  ],
  hostLoss: cnnLoss64,
  deviceLoss: (model) => crossEntropy(model.apply(onDevice(images)) as tf.Tensor, imageLabels),
});

const separable = opNetwork({
  name: 'depthwise-separable CNN of ops',
  shapes: [[3, 3, 2, 2], [1, 1, 4, 3], [3], [36, 2]],
  hostLoss: ([depthwise, pointwise, bias, kernel]) => {
    const mixed = conv64(depthwise64(images, depthwise, { strides: [2, 2], pad: 'same' }), pointwise, ONE);
    const x = tanh64(addBias64(mixed, bias));
    return crossEntropy64(dense64(reshape64(x, [2, 36]), kernel, zeros64([2])), imageLabels);
  },
  deviceLoss: ([depthwise, pointwise, bias, kernel]) => {
    const x = onDevice(images) as tf.Tensor4D;
    const mixed = tf.separableConv2d(x, depthwise as tf.Tensor4D, pointwise as tf.Tensor4D, 2, 'same');
    return crossEntropy(tf.matMul(tf.reshape(tf.tanh(tf.add(mixed, bias)), [2, 36]), kernel), imageLabels);
  },
});

const separableLayers = layersNetwork({
  name: 'depthwise-separable CNN of layers',
  layers: () => [
    tf.layers.depthwiseConv2d({ kernelSize: 3, padding: 'same', activation: 'tanh', inputShape: [7, 6, 2] }),
    tf.layers.separableConv2d({ filters: 3, kernelSize: 2, depthMultiplier: 2, activation: 'relu' }),
    tf.layers.globalAveragePooling2d({}),
    tf.layers.dense({ units: 2 }),
  ],
  hostLoss: ([depthwise1, bias1, depthwise2, pointwise2, bias2, kernel, bias]) => {
    let x = tanh64(addBias64(depthwise64(images, depthwise1, ONE), bias1));
    x = conv64(depthwise64(x, depthwise2, { strides: [1, 1], pad: 'valid' }), pointwise2, ONE);
    x = relu64(addBias64(x, bias2));
    const mean = pool64(x, { size: [6, 5], strides: [1, 1], pad: 'valid' }, 'avg');
    return crossEntropy64(dense64(reshape64(mean, [2, 3]), kernel, bias), imageLabels);
  },
  deviceLoss: (model) => crossEntropy(model.apply(onDevice(images)) as tf.Tensor, imageLabels),
});

/** Repeated, out of order, and 3 never. */
const words = [4, 1, 1, 5, 0, 2, 1, 4];

const embedding = opNetwork({
  name: 'embedding by gather',
  shapes: [
    [6, 3],
    [6, 2],
  ],
  hostLoss: ([table, kernel]) => {
    const x = reshape64(gather64(table, words), [4, 6]);
    return crossEntropy64(dense64(tanh64(x), kernel, zeros64([2])), [0, 1, 1, 0]);
  },
  deviceLoss: ([table, kernel]) => {
    const x = tf.gather(table, tf.tensor2d(words, [4, 2], 'int32'));
    return crossEntropy(tf.matMul(tf.tanh(tf.reshape(x, [4, 6])), kernel), [0, 1, 1, 0]);
  },
});

const embeddingLayers = layersNetwork({
  name: 'embedding of layers',
  layers: () => [
    tf.layers.embedding({ inputDim: 6, outputDim: 3, inputLength: 2 }),
    tf.layers.flatten(),
    tf.layers.dense({ units: 2, activation: 'tanh' }),
  ],
  hostLoss: ([table, kernel, bias]) => {
    const x = reshape64(gather64(table, words), [4, 6]);
    return crossEntropy64(tanh64(dense64(x, kernel, bias)), [0, 1, 1, 0]);
  },
  deviceLoss: (model) =>
    crossEntropy(model.apply(tf.tensor2d(words, [4, 2], 'int32')) as tf.Tensor, [0, 1, 1, 0]),
});

const SHAPE = { width: 4, depth: 1, heads: 2 };
const drawn = normals64([2, 28, 28], 0.5, 'drawn');

const TRANSFORMER = [
  'encoder/patch/kernel',
  'encoder/patch/bias',
  'encoder/position',
  'encoder/blocks/0/norm1/gamma',
  'encoder/blocks/0/norm1/beta',
  'encoder/blocks/0/attention/qkv/kernel',
  'encoder/blocks/0/attention/qkv/bias',
  'encoder/blocks/0/attention/out/kernel',
  'encoder/blocks/0/attention/out/bias',
  'encoder/blocks/0/norm2/gamma',
  'encoder/blocks/0/norm2/beta',
  'encoder/blocks/0/mlp/fc1/kernel',
  'encoder/blocks/0/mlp/fc1/bias',
  'encoder/blocks/0/mlp/fc2/kernel',
  'encoder/blocks/0/mlp/fc2/bias',
  'encoder/norm/gamma',
  'encoder/norm/beta',
  'head/task/kernel',
  'head/task/bias',
];

const transformer: Network = {
  name: 'vision transformer',
  hostLoss(parameters) {
    const byName = new Map(TRANSFORMER.map((name, index) => [name, parameters[index]]));
    return crossEntropy64(transformer64(drawn, byName, { ...SHAPE, task: 'task' }), [2, 0]);
  },
  build() {
    const model = new VisionTransformer(SHAPE, 1);
    model.addHead('task', 3, 1);
    const named = new Map([...model.encoder(), ...model.head('task')]);
    if ([...named.keys()].sort().join() !== [...TRANSFORMER].sort().join()) {
      throw new Error(`the zoo's model has other variables now: ${[...named.keys()].join(', ')}`);
    }
    const variables = TRANSFORMER.map((name) => named.get(name) as tf.Variable);
    variables.forEach((variable, index) => {
      assign(variable, normals64(variable.shape, 0.4, TRANSFORMER[index]));
    });
    return {
      variables,
      loss: () =>
        tf.tidy(
          () => crossEntropy(model.logits(onDevice(drawn) as tf.Tensor3D, 'task'), [2, 0]) as tf.Scalar,
        ),
      dispose: () => model.dispose(),
    };
  },
};

export const NETWORKS: readonly Network[] = [
  mlp,
  mlpLayers,
  cnn,
  cnnLayers,
  separable,
  separableLayers,
  transformer,
  embedding,
  embeddingLayers,
];
