import * as tf from '@tensorflow/tfjs';
import { Random } from '../tensors/random.js';
import { imageTensor } from './image-tensor.js';
import { pick, type Samples, sampleCount, stretch, type Task } from './task.js';
import { turn } from './turn.js';
import type { VisionTransformer } from './vision-transformer.js';

const LEARNING_RATE = 0.01;
/** images at a time that the encoder sees */
const STRETCH = 200;

/**
 * Trains every task's head alone, `steps` steps each. The encoder stands still, so that it sees every training image once and no
 * more. Same seed, same weights.
 */
export async function trainHeads(
  model: VisionTransformer,
  tasks: readonly Task[],
  steps: number,
  batch: number,
  seed: number,
): Promise<void> {
  for (const task of tasks) {
    const features = await featuresOf(model, task.train);
    const random = new Random('head batches', task.name, seed);
    const optimizer = tf.train.adam(LEARNING_RATE);
    const variables = [...model.head(task.name).values()];
    const count = sampleCount(task.train);
    for (let step = 0; step < steps; step++) {
      const places = Int32Array.from({ length: Math.min(batch, count) }, () => random.integer(count));
      tf.tidy(() => {
        const input = tf.gather(features, tf.tensor1d(places, 'int32'));
        const labels = tf.oneHot(tf.tensor1d(pick(task.train, places).labels, 'int32'), task.classes);
        const loss = () =>
          tf.losses.softmaxCrossEntropy(labels, model.headLogits(input, task.name)) as tf.Scalar;
        optimizer.minimize(loss, false, variables);
      });
    }
    tf.dispose(features);
    optimizer.dispose();
  }
}

/** [N, width] */
async function featuresOf(model: VisionTransformer, samples: Samples): Promise<tf.Tensor2D> {
  const count = sampleCount(samples);
  const parts: tf.Tensor2D[] = [];
  for (let start = 0; start < count; start += STRETCH) {
    parts.push(tf.tidy(() => model.features(imageTensor(stretch(samples, start, STRETCH)))));
    await turn();
  }
  const features = tf.concat(parts);
  tf.dispose(parts);
  return features;
}
