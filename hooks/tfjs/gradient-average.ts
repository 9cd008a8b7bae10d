import * as tf from '@tensorflow/tfjs';
import type { FlatLayout } from './flat-layout.js';
import { type GradientFold, type Gradients, gradientFold } from './gradient-fold/index.js';

/** Exponential moving average of the plain loss gradient, on the device in float32, bias-corrected. See GradientFold. */
export class GradientAverage {
  readonly #fold: GradientFold;

  /** `decay` in [0, 1) */
  constructor(layout: FlatLayout, decay: number) {
    this.#fold = gradientFold({ layout, decay });
  }

  /** Folds the gradients at a step, by variable name; a variable without one counts as zero. */
  fold(gradients: Gradients, step: number): void {
    this.#fold.fold(gradients, step);
  }

  /** Does what a fold does and forgets it: to see what it costs. */
  rehearse(): void {
    this.#fold.rehearse();
  }

  /** The bias-corrected average of a chunk; NaN before the first fold. Call it inside tf.tidy. */
  average(chunk: number): tf.Tensor1D {
    const remaining = tf.slice(tf.reshape(this.remaining, [-1]), 0, 1);
    return tf.div(this.sums(chunk), tf.sub(1, remaining));
  }

  /**
   * The running sum of a chunk, for operations: the average is it over 1 - `remaining`. Not to be disposed, nor read or kept
   * over a fold, see GradientFold.
   */
  sums(chunk: number): tf.Tensor1D {
    return this.#fold.sums(chunk);
  }

  /** Its first element is decay^folds, for operations. Not to be disposed, nor kept over a fold. */
  get remaining(): tf.Tensor {
    return this.#fold.remaining;
  }

  /** [3]: decay^folds (1: nothing folded yet), gradients left out because they were not finite, step of the last one folded. */
  counters(): tf.Tensor1D {
    return this.#fold.counters();
  }

  dispose(): void {
    this.#fold.dispose();
  }
}
