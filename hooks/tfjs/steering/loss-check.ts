import type * as tf from '@tensorflow/tfjs';
import type { SteeringWarning } from './warning.js';

/** Differences relative to the loss that are rounding. */
const ROUNDING = 1e-4;

/**
 * Whether two evaluations of the loss at the same weights and random draws are one value. Read when the device has them, without
 * the training waiting.
 * @param first, again are disposed
 */
export async function checkSameLoss(
  term: string,
  first: tf.Scalar,
  again: tf.Scalar,
  warn: (warning: SteeringWarning) => void,
): Promise<void> {
  const [[a], [b]] = await Promise.all([first.data(), again.data()]);
  first.dispose();
  again.dispose();
  // NaN is another matter, and told by others.
  if (Math.abs(a - b) > ROUNDING * Math.max(Math.abs(a), Math.abs(b))) {
    warn({
      title: 'The loss is not the same between evaluations',
      text: `${term} compares gradients of two evaluations, and the loss at the same weights was ${a.toPrecision(4)}, then ${b.toPrecision(4)}: a batch is drawn inside the loss function, or dropout has a mask of its own. What the term adds is then mixed with the difference of two samples. Draw the batch before calling minimize or computeGradients, and masks from Math.random (as tf.dropout does without a seed) or from a seed that stays; or take a form "in_place", which evaluates once`,
      evidence: { first: a, again: b },
    });
  }
}
