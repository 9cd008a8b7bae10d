import * as tf from '@tensorflow/tfjs';
import type { Reference } from '../../src/reference/index.js';
import { elementCount, formatShape } from '../../src/tensors/index.js';

/** Why the live model can't take a reference's calibration samples; null where it can. `inputs`: its own [N, ...]. */
export function sampleProblem({ name, calibration }: Reference, inputs: tf.Tensor): string | null {
  if (calibration === null) {
    return `reference "${name}" has no stored calibration samples`;
  }
  const [here, there] = [inputs.shape.slice(1), calibration.images.shape.slice(1)];
  return formatShape(here) === formatShape(there)
    ? null
    : `the calibration samples of reference "${name}" are ${formatShape(there)} each, those of the live task ${formatShape(here)}`;
}

/** The first samples of a reference, at most `most`, on the device and kept. */
export function storedSamples({ calibration }: Reference, most: number, dtype: tf.DataType): tf.Tensor {
  const { shape, data } = calibration!.images;
  const count = Math.min(most, shape[0]);
  const size = elementCount(shape.slice(1));
  return tf.tensor(data.subarray(0, count * size), [count, ...shape.slice(1)], dtype);
}
