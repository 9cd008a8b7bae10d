import * as tf from '@tensorflow/tfjs';
import { Random } from '../../src/tensors/random.js';
import { type Array64, zeros64 } from './float64.js';

/** A small model whose loss is known in float64 on the host and trained in float32 on a backend. */
export interface Network {
  readonly name: string;
  /** `parameters` in the order of `build().variables` */
  hostLoss(parameters: readonly Array64[]): number;
  /** makes the model on the active backend, always with the same weights */
  build(): Built;
}

export interface Built {
  readonly variables: tf.Variable[];
  loss(): tf.Scalar;
  dispose(): void;
}

/** Seeded normals that are float32 numbers, so that host and device start from the same values. */
export function normals64(
  shape: readonly number[],
  deviation: number,
  ...seed: (string | number)[]
): Array64 {
  const { length } = zeros64(shape).data;
  return { shape, data: Float64Array.from(new Random(...seed).normals(length, deviation)) };
}

/** On the active backend. */
export function onDevice(x: Array64): tf.Tensor {
  return tf.tensor(Float32Array.from(x.data), [...x.shape]);
}

/** A network made of plain ops: a loss on the host and the same one on the device. */
export function opNetwork(options: {
  name: string;
  shapes: readonly (readonly number[])[];
  hostLoss(parameters: readonly Array64[]): number;
  deviceLoss(parameters: readonly tf.Tensor[]): tf.Tensor;
}): Network {
  const { name, shapes, hostLoss, deviceLoss } = options;
  return {
    name,
    hostLoss,
    build() {
      const variables = shapes.map((shape, index) =>
        tf.tidy(() => tf.variable(onDevice(normals64(shape, 0.5, name, index)))),
      );
      return {
        variables,
        loss: () => tf.tidy(() => deviceLoss(variables) as tf.Scalar),
        dispose: () => tf.dispose(variables),
      };
    },
  };
}

/** A tf.layers model; `hostLoss` gets its trainable weights in the model's order. */
export function layersNetwork(options: {
  name: string;
  layers(): tf.layers.Layer[];
  hostLoss(parameters: readonly Array64[]): number;
  deviceLoss(model: tf.LayersModel): tf.Tensor;
}): Network {
  const { name, layers, hostLoss, deviceLoss } = options;
  return {
    name,
    hostLoss,
    build() {
      const model = tf.sequential({ layers: layers() });
      const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
      variables.forEach((variable, index) => {
        assign(variable, normals64(variable.shape, 0.5, name, index));
      });
      return {
        variables,
        loss: () => tf.tidy(() => deviceLoss(model) as tf.Scalar),
        dispose: () => model.dispose(),
      };
    },
  };
}

export function assign(variable: tf.Variable, value: Array64): void {
  const next = onDevice(value);
  variable.assign(next);
  next.dispose();
}

/** Half the summed square of y - target. */
export function halfSquare(y: tf.Tensor, target: Array64): tf.Tensor {
  return tf.mul(tf.sum(tf.square(tf.sub(y, onDevice(target)))), 0.5);
}

/** Mean over the rows of logits [n, classes]. */
export function crossEntropy(logits: tf.Tensor, labels: readonly number[]): tf.Tensor {
  const oneHot = tf.oneHot(tf.tensor1d([...labels], 'int32'), logits.shape[1] as number);
  return tf.losses.softmaxCrossEntropy(oneHot, logits);
}

export async function values64(tensor: tf.Tensor): Promise<Array64> {
  return { shape: tensor.shape, data: Float64Array.from(await tensor.data()) };
}
