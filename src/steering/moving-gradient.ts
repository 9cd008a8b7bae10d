import * as tf from '@tensorflow/tfjs';
import { type GradientsByName, trainedOf } from './gradient-maps.js';
import type { SteeredTensor } from './term.js';

/** Moving average of the gradients of the steered tensors, on the device; values that are not finite leave it as it was. */
export class MovingGradient {
  readonly #tensors: readonly SteeredTensor[];
  readonly #decay: number;
  readonly #averages: Record<string, tf.Tensor> = {};

  /** @param decay of what came before, per fold, 0 to 1 */
  constructor(tensors: readonly SteeredTensor[], decay: number) {
    this.#tensors = tensors;
    this.#decay = decay;
  }

  /** By variable name, without those that never had a gradient; its own, not to be disposed. */
  get gradients(): GradientsByName {
    return this.#averages;
  }

  fold(gradients: GradientsByName): void {
    for (const { tensor, gradient } of trainedOf(this.#tensors, gradients)) {
      const { name } = tensor.variable;
      const before = this.#averages[name];
      this.#averages[name] = tf.tidy(() => {
        const old = before ?? tf.zerosLike(gradient);
        const next = tf.add(tf.mul(old, this.#decay), tf.mul(gradient, 1 - this.#decay));
        return tf.keep(tf.where(tf.isFinite(next), next, old));
      });
      before?.dispose();
    }
  }

  dispose(): void {
    tf.dispose(this.#averages);
  }
}
