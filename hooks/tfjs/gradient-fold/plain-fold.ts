import * as tf from '@tensorflow/tfjs';
import type { FoldSources, GradientFold, Gradients } from './gradient-fold.js';

/**
 * By tfjs operations that every backend has: the reference that faster ways are tested against. Some eight operations a chunk and
 * one a tensor; 13.75 * 4 D bytes.
 */
export class PlainFold implements GradientFold {
  readonly #sources: FoldSources;
  readonly #zeros: readonly tf.Tensor1D[];
  #sums: tf.Tensor1D[];
  #remaining: tf.Scalar;
  #nonFinite: tf.Scalar;
  /** of the last gradient that was folded; -1 before the first */
  #step: tf.Scalar;

  constructor(sources: FoldSources) {
    this.#sources = sources;
    this.#zeros = sources.layout.chunks.map((chunk) => tf.keep(tf.zeros([chunk.length])));
    this.#sums = this.#zeros.map((zeros) => tf.keep(zeros.clone()));
    this.#remaining = tf.keep(tf.scalar(1));
    this.#nonFinite = tf.keep(tf.scalar(0));
    this.#step = tf.keep(tf.scalar(-1));
  }

  fold(gradients: Gradients, step: number): void {
    const next = this.#folded(gradients, step);
    tf.dispose([...this.#sums, this.#remaining, this.#nonFinite, this.#step]);
    this.#sums = next.sums;
    this.#remaining = next.remaining;
    this.#nonFinite = next.nonFinite;
    this.#step = next.step;
  }

  rehearse(): void {
    const { tensors } = this.#sources.layout;
    const stand = Object.fromEntries(tensors.map(({ variable }) => [variable.name, variable]));
    const { sums, remaining, nonFinite, step } = this.#folded(stand, 0);
    tf.dispose([...sums, remaining, nonFinite, step]);
  }

  #folded(gradients: Gradients, step: number) {
    const { layout, decay } = this.#sources;
    const { tensors, chunks } = layout;
    const next = tf.tidy(() => {
      const joined = chunks.map((chunk) =>
        layout.join(chunk, (t) => gradients[tensors[t].variable.name] ?? null),
      );
      const masks = joined.map((gradient) => tf.isFinite(gradient));
      const finite = tf.all(tf.stack(masks.map((mask) => tf.all(mask))));
      const one = tf.cast(finite, 'float32');
      const weight = tf.mul(one, 1 - decay);
      const keep = tf.sub(1, weight);
      return {
        sums: joined.map((gradient, c) => {
          // The weight alone would not do, since NaN times 0 is NaN. Selecting by one scalar would, but tfjs
          // broadcasts it first, which is the slowest of all of this on wasm.
          const sum = tf.tidy(() => {
            const safe = tf.where(masks[c], gradient, this.#zeros[c]);
            return tf.add(tf.mul(this.#sums[c], keep), tf.mul(safe, weight)) as tf.Tensor1D;
          });
          // Given back before the next chunk: the temporaries are the gradients once, and some of a chunk.
          tf.dispose([gradient, masks[c]]);
          return sum;
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

  sums(chunk: number): tf.Tensor1D {
    return this.#sums[chunk];
  }

  get remaining(): tf.Tensor {
    return this.#remaining;
  }

  counters(): tf.Tensor1D {
    return tf.stack([this.#remaining, this.#nonFinite, this.#step]) as tf.Tensor1D;
  }

  dispose(): void {
    tf.dispose([...this.#zeros, ...this.#sums, this.#remaining, this.#nonFinite, this.#step]);
  }
}
