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
  const variables = tensors.map(({ variable }) => variable);
  const moved = (index: number) => {
    const { variable, base } = tensors[index];
    return tf.tidy(() => {
      const origin = base();
      return tf.add(origin, tf.mul(tf.sub(variable, origin), scale));
    });
  };
  return withValues(variables, moved, body);
}

/** Runs `body` with other values in the variables, then restores them, bit-identical. What `value` makes is disposed. */
export function withValues<Result>(
  variables: readonly tf.Variable[],
  value: (index: number) => tf.Tensor,
  body: () => Result,
): Result {
  const saved = variables.map((variable) => tf.keep(variable.clone()));
  try {
    variables.forEach((variable, index) => {
      const next = value(index);
      variable.assign(next);
      next.dispose();
    });
    return body();
  } finally {
    variables.forEach((variable, index) => {
      variable.assign(saved[index]);
      saved[index].dispose();
    });
  }
}
