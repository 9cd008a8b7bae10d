import * as tf from '@tensorflow/tfjs';
import type { LossGradients } from '../../../src/steering/index.js';

/** The gradients that are there: those of frozen variables are null or missing. */
export function present(grads: tf.NamedTensorMap): tf.Tensor[] {
  return Object.values(grads).filter((gradient) => gradient != null);
}

export function disposeGradients({ value, grads }: LossGradients): void {
  tf.dispose([value, ...present(grads)]);
}

/** target += extra, in place of the map's entries; disposes what it replaces, and `extra`. */
export function addInto(target: tf.NamedTensorMap, extra: LossGradients): void {
  for (const [name, gradient] of Object.entries(extra.grads)) {
    const old = target[name];
    if (gradient != null) {
      target[name] = old == null ? gradient.clone() : tf.add(old, gradient);
      old?.dispose();
    }
  }
  disposeGradients(extra);
}
