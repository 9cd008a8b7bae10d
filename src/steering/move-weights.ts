import * as tf from '@tensorflow/tfjs';
import { type GradientsByName, globalNorm, trainedOf } from './gradient-maps.js';
import type { SteeredTensor } from './term.js';

/** live - base in the variable's layout; call it inside tf.tidy. */
export function tauOf({ variable, base }: SteeredTensor): tf.Tensor {
  return tf.sub(variable, base());
}

/**
 * Runs `body` with the live weights at base + scale (live - base), then restores them. The old values are
 * kept as clones and assigned back, which is bit-identical; adding and subtracting would not be.
 */
export function atScale<Result>(
  tensors: readonly SteeredTensor[],
  scale: number,
  body: () => Result,
): Result {
  return atPlace(tensors, (tensor) => tf.add(tensor.base(), tf.mul(tauOf(tensor), scale)), body);
}

/**
 * Runs `body` with the live weights elsewhere, then restores them, bit-identical.
 * @param place where a tensor is to be, its index beside it; called inside tf.tidy
 */
export function atPlace<Result>(
  tensors: readonly SteeredTensor[],
  place: (tensor: SteeredTensor, index: number) => tf.Tensor,
  body: () => Result,
): Result {
  const variables = tensors.map(({ variable }) => variable);
  return withValues(variables, (index) => tf.tidy(() => place(tensors[index], index).clone()), body);
}

/** Added to |w|, so that weights near zero move too; of the ASAM paper. */
const ADAPTIVE_OFFSET = 0.01;

/**
 * Runs `body` with the steered weights at w + radius g / ‖g‖, g their gradients as one vector, then restores them; with
 * `adaptive` at w + radius (|w| + 0.01)² g / ‖(|w| + 0.01) g‖; down it where the radius is negative. Where all gradients are zero, or a tensor has none, weights stay.
 */
export function upTheGradient<Result>(
  tensors: readonly SteeredTensor[],
  gradients: GradientsByName,
  { radius, adaptive }: { radius: number; adaptive: boolean },
  body: () => Result,
): Result {
  const trained = trainedOf(tensors, gradients);
  const weighted = ({ variable }: SteeredTensor, x: tf.Tensor) =>
    adaptive ? tf.mul(x, tf.add(tf.abs(variable), ADAPTIVE_OFFSET)) : x;
  const factor = tf.tidy(() =>
    tf.divNoNan(radius, globalNorm(trained.map(({ tensor, gradient }) => weighted(tensor, gradient)))),
  );
  try {
    return atPlace(
      trained.map(({ tensor }) => tensor),
      (tensor, index) => {
        const direction = weighted(tensor, weighted(tensor, trained[index].gradient));
        return tf.add(tensor.variable, tf.mul(direction, factor));
      },
      body,
    );
  } finally {
    factor.dispose();
  }
}

/** Runs `body` with other values in the variables, then restores them, bit-identical. What `value` makes is disposed. */
export function withValues<Result>(
  variables: readonly tf.Variable[],
  value: (index: number) => tf.Tensor,
  body: () => Result,
): Result {
  // Of all or of none, where the device has no room for them.
  const saved = tf.tidy(() => variables.map((variable) => variable.clone())).map((value) => tf.keep(value));
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
