import * as tf from '@tensorflow/tfjs';
import type { SteeredTensor } from './term.js';

/**
 * Runs `body` with the live weights at base + scale (live - base), then restores them. The old values are
 * kept as clones and assigned back, which is bit-identical; adding and subtracting would not be.
 */
export function atScale<Result>(
  tensors: readonly SteeredTensor[],
  scale: number,
  body: () => Result,
): Result {
  const saved = tensors.map(({ variable }) => tf.keep(variable.clone()));
  try {
    for (const { variable, base } of tensors) {
      const moved = tf.tidy(() => {
        const origin = base();
        return tf.add(origin, tf.mul(tf.sub(variable, origin), scale));
      });
      variable.assign(moved);
      moved.dispose();
    }
    return body();
  } finally {
    tensors.forEach(({ variable }, index) => {
      variable.assign(saved[index]);
      saved[index].dispose();
    });
  }
}
