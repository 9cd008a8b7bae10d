import * as tf from '@tensorflow/tfjs';
import type { FlatLayout } from './flat-layout.js';

/**
 * Exponential moving average of the plain loss gradient, on the device in float32, bias-corrected. A gradient
 * with a NaN or an infinity is not folded; how many were is counted on the device too, so that folding never
 * waits for a read.
 */
export class GradientAverage {
  readonly #layout: FlatLayout;
  readonly #decay: number;
  readonly #zeros: readonly tf.Tensor1D[];
  #sums: tf.Tensor1D[];
  /** decay to the power of the number of folds */
  #remaining: tf.Scalar;
  #nonFinite: tf.Scalar;
  /** of the last gradient that was folded; -1 before the first */
  #step: tf.Scalar;

  constructor(layout: FlatLayout, decay: number) {
    this.#layout = layout;
    this.#decay = decay;
    this.#zeros = layout.chunks.map((chunk) => tf.keep(tf.zeros([chunk.length])));
    this.#sums = this.#zeros.map((zeros) => tf.keep(zeros.clone()));
    this.#remaining = tf.keep(tf.scalar(1));
    this.#nonFinite = tf.keep(tf.scalar(0));
    this.#step = tf.keep(tf.scalar(-1));
  }

  /** Folds the gradients at a step, by variable name; a variable without one counts as zero. */
  fold(gradients: Readonly<Record<string, tf.Tensor | null | undefined>>, step: number): void {
    const next = this.#folded(gradients, step);
    tf.dispose([...this.#sums, this.#remaining, this.#nonFinite, this.#step]);
    this.#sums = next.sums;
    this.#remaining = next.remaining;
    this.#nonFinite = next.nonFinite;
    this.#step = next.step;
  }

  /** Does what a fold does and forgets it: to see what it costs. */
  rehearse(): void {
    const { sums, remaining, nonFinite, step } = this.#folded({}, 0);
    tf.dispose([...sums, remaining, nonFinite, step]);
  }

  #folded(gradients: Readonly<Record<string, tf.Tensor | null | undefined>>, step: number) {
    const { tensors, chunks } = this.#layout;
    const next = tf.tidy(() => {
      const joined = chunks.map((chunk) =>
        this.#layout.join(chunk, (t) => gradients[tensors[t].variable.name] ?? null),
      );
      const masks = joined.map((gradient) => tf.isFinite(gradient));
      const finite = tf.all(tf.stack(masks.map((mask) => tf.all(mask))));
      const one = tf.cast(finite, 'float32');
      const weight = tf.mul(one, 1 - this.#decay);
      const keep = tf.sub(1, weight);
      return {
        sums: joined.map((gradient, c) => {
          // The weight alone would not do, since NaN times 0 is NaN. Selecting by one scalar would, but tfjs
          // broadcasts it first, which is the slowest of all of this on wasm.
          const safe = tf.where(masks[c], gradient, this.#zeros[c]);
          return tf.add(tf.mul(this.#sums[c], keep), tf.mul(safe, weight)) as tf.Tensor1D;
        }),
        remaining: tf.mul(this.#remaining, keep) as tf.Scalar,
        nonFinite: tf.add(this.#nonFinite, tf.sub(1, one)) as tf.Scalar,
        step: tf.where(finite, tf.scalar(step), this.#step) as tf.Scalar,
      };
    });
    // Only now: what is kept outlives an operation after it that fails.
    for (const each of [...next.sums, next.remaining, next.nonFinite, next.step]) {
      tf.keep(each);
    }
    return next;
  }

  /** The bias-corrected average of a chunk; NaN before the first fold. Call it inside tf.tidy. */
  average(chunk: number): tf.Tensor1D {
    return tf.div(this.#sums[chunk], tf.sub(1, this.#remaining));
  }

  /** The running sum of a chunk: the average is it over 1 - `remaining`. Not to be disposed. */
  sums(chunk: number): tf.Tensor1D {
    return this.#sums[chunk];
  }

  /** Its first element is decay^folds. Not to be disposed. */
  get remaining(): tf.Tensor {
    return this.#remaining;
  }

  /** [3]: decay^folds (1: nothing folded yet), gradients left out because they were not finite, step of the last one folded. */
  counters(): tf.Tensor1D {
    return tf.stack([this.#remaining, this.#nonFinite, this.#step]) as tf.Tensor1D;
  }

  dispose(): void {
    tf.dispose([...this.#zeros, ...this.#sums, this.#remaining, this.#nonFinite, this.#step]);
  }
}
