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
  #sums: tf.Tensor1D[];
  /** decay to the power of the number of folds */
  #remaining: tf.Scalar;
  #nonFinite: tf.Scalar;

  constructor(layout: FlatLayout, decay: number) {
    this.#layout = layout;
    this.#decay = decay;
    this.#sums = layout.chunks.map((chunk) => tf.keep(tf.zeros([chunk.length])));
    this.#remaining = tf.keep(tf.scalar(1));
    this.#nonFinite = tf.keep(tf.scalar(0));
  }

  /** Folds one step's gradients, by variable name; a variable without one counts as zero. */
  fold(gradients: Readonly<Record<string, tf.Tensor | null | undefined>>): void {
    const next = this.#folded(gradients);
    tf.dispose([...this.#sums, this.#remaining, this.#nonFinite]);
    this.#sums = next.sums;
    this.#remaining = next.remaining;
    this.#nonFinite = next.nonFinite;
  }

  /** Does what a fold does and forgets it: to see what it costs. */
  rehearse(): void {
    const { sums, remaining, nonFinite } = this.#folded({});
    tf.dispose([...sums, remaining, nonFinite]);
  }

  #folded(gradients: Readonly<Record<string, tf.Tensor | null | undefined>>) {
    const { tensors, chunks } = this.#layout;
    return tf.tidy(() => {
      const joined = chunks.map((chunk) =>
        this.#layout.join(chunk, (t) => gradients[tensors[t].variable.name] ?? null),
      );
      // A NaN or an infinity makes x - x NaN, and no finite value does; NaN is what is unequal to itself.
      const checks = joined.map((gradient) => tf.sum(tf.mul(gradient, 0)));
      const check = tf.addN(checks);
      const finite = tf.equal(check, check);
      const one = tf.cast(finite, 'float32');
      const keep = tf.where(finite, this.#decay, 1);
      return {
        sums: joined.map((gradient, c) => {
          const folded = tf.add(tf.mul(this.#sums[c], this.#decay), tf.mul(gradient, 1 - this.#decay));
          return tf.keep(tf.where(finite, folded, this.#sums[c]) as tf.Tensor1D);
        }),
        remaining: tf.keep(tf.mul(this.#remaining, keep) as tf.Scalar),
        nonFinite: tf.keep(tf.add(this.#nonFinite, tf.sub(1, one)) as tf.Scalar),
      };
    });
  }

  /** The bias-corrected average of a chunk; NaN before the first fold. Call it inside tf.tidy. */
  average(chunk: number): tf.Tensor1D {
    return tf.div(this.#sums[chunk], tf.sub(1, this.#remaining));
  }

  /** [2]: decay^folds (1: nothing folded yet), gradients left out because they were not finite. */
  counters(): tf.Tensor1D {
    return tf.stack([this.#remaining, this.#nonFinite]) as tf.Tensor1D;
  }

  dispose(): void {
    tf.dispose([...this.#sums, this.#remaining, this.#nonFinite]);
  }
}
