import * as tf from '@tensorflow/tfjs';
import { PIXELS, type Samples } from './task.js';

/** [N, 28, 28], ink near 1. */
export function imageTensor(samples: Samples): tf.Tensor3D {
  const values = Float32Array.from(samples.images, (byte) => byte / 255);
  return tf.tensor3d(values, [samples.images.length / PIXELS, 28, 28]);
}
