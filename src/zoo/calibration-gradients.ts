import * as tf from '@tensorflow/tfjs';
import { layoutOf } from '../../hooks/tfjs/index.js';
import { type HostTensor, type NamedTensors, permute } from '../tensors/index.js';
import { imageTensor } from './image-tensor.js';
import { sampleCount, stretch, type Task } from './task.js';
import type { VisionTransformer } from './vision-transformer.js';

const BATCH = 32;

/** Mean loss gradient of the encoder over the task's calibration samples, in batches of 32. */
export async function calibrationGradient(model: VisionTransformer, task: Task): Promise<NamedTensors> {
  const { shared } = layoutOf(model.encoder());
  const variables = shared.map(({ variable }) => variable);
  const count = sampleCount(task.calibration);
  const sums = variables.map(({ size }) => new Float64Array(size));
  for (let start = 0; start < count; start += BATCH) {
    const part = stretch(task.calibration, start, BATCH);
    const size = sampleCount(part);
    const { value, grads } = tf.variableGrads(() => {
      const labels = tf.oneHot(tf.tensor1d(part.labels, 'int32'), task.classes);
      return tf.losses.softmaxCrossEntropy(labels, model.logits(imageTensor(part), task.name));
    }, variables);
    for (const [index, variable] of variables.entries()) {
      const values = await grads[variable.name].data();
      const sum = sums[index];
      for (let i = 0; i < sum.length; i++) {
        sum[i] += (values[i] * size) / count;
      }
    }
    tf.dispose([value, grads as unknown as tf.Tensor]);
  }
  return new Map(
    shared.map(({ name, shape, variable, permutation }, index): [string, HostTensor] => {
      const data = Float32Array.from(sums[index]);
      return [name, { shape, data: permutation ? permute(data, variable.shape, permutation) : data }];
    }),
  );
}

/**
 * [n, 28, 28] loss gradient of each of the first samples, at most 32, with respect to the image: more than functional
 * metrics take by default.
 */
export async function inputGradient(model: VisionTransformer, task: Task): Promise<HostTensor> {
  const part = stretch(task.calibration, 0, BATCH);
  const gradients = tf.tidy(() => {
    const labels = tf.oneHot(tf.tensor1d(part.labels, 'int32'), task.classes);
    // The samples do not act on each other: the gradient of the sum is each one's own.
    const loss = (images: tf.Tensor) => {
      const logits = model.logits(images as tf.Tensor3D, task.name);
      return tf.losses.softmaxCrossEntropy(labels, logits, undefined, undefined, tf.Reduction.SUM);
    };
    return tf.grad(loss)(imageTensor(part));
  });
  const data = Float32Array.from(await gradients.data());
  gradients.dispose();
  return { shape: gradients.shape, data };
}
