import * as tf from '@tensorflow/tfjs';
import type { LossGradients, SteeredTensor } from './term.js';

/** Gradients by variable name; null or missing where a variable is frozen. */
export type GradientsByName = Readonly<Record<string, tf.Tensor | null | undefined>>;

/** A steered tensor with its gradient. */
export interface Trained {
  readonly tensor: SteeredTensor;
  readonly gradient: tf.Tensor;
}

/** The steered tensors that have a gradient: neither heads nor frozen ones. */
export function trainedOf(tensors: readonly SteeredTensor[], gradients: GradientsByName): Trained[] {
  return tensors.flatMap((tensor) => {
    const gradient = gradients[tensor.variable.name];
    return gradient == null ? [] : [{ tensor, gradient }];
  });
}

/** Sum of a.b over all tensors as one vector, on the device; 0 of none. Call it inside tf.tidy. */
export function globalDot(pairs: readonly (readonly [tf.Tensor, tf.Tensor])[]): tf.Scalar {
  if (pairs.length === 0) {
    return tf.scalar(0);
  }
  return tf.addN(pairs.map(([a, b]) => tf.sum(tf.mul(a, b)))) as tf.Scalar;
}

/** The norm of all tensors as one vector, on the device. Call it inside tf.tidy. */
export function globalNorm(tensors: readonly tf.Tensor[]): tf.Scalar {
  return tf.sqrt(globalDot(tensors.map((tensor) => [tensor, tensor])));
}

/**
 * The same with every gradient changed; null stays null. The old gradients are disposed.
 * @param change called inside tf.tidy; makes a new tensor
 */
export function mapGradients(
  { value, grads }: LossGradients,
  change: (gradient: tf.Tensor, name: string) => tf.Tensor,
): LossGradients {
  const changed: tf.NamedTensorMap = {};
  for (const [name, gradient] of Object.entries(grads)) {
    if (gradient == null) {
      changed[name] = gradient;
    } else {
      changed[name] = tf.tidy(() => change(gradient, name));
      gradient.dispose();
    }
  }
  return { value, grads: changed };
}
