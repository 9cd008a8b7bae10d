import * as tf from '@tensorflow/tfjs';
import type { Chunks, SumSources, TickSums } from './tick-sums.js';

/**
 * By tfjs operations that every backend has: the reference that faster ways are tested against. Some ten operations a chunk and
 * reference; every pair of vectors is read twice and written twice on the way to its sums.
 */
export class PlainSums implements TickSums {
  readonly #sources: SumSources;

  constructor(sources: SumSources) {
    this.#sources = sources;
  }

  measure(c: number, dense: (tensor: number) => tf.Tensor, watched: readonly number[]): tf.Tensor1D {
    const { layout } = this.#sources;
    const sums = tf.tidy(() => {
      const tau = layout.join(layout.chunks[c], dense);
      return layout.tensorSums(c, this.#rows(c, tau, watched));
    });
    return tf.reshape(sums, [sums.size]);
  }

  #rows(c: number, tau: tf.Tensor1D, watched: readonly number[]): tf.Tensor1D[] {
    const { layout, gradients, references } = this.#sources;
    const sums = (vector: tf.Tensor) => layout.blockSums(vector as tf.Tensor1D);
    const ofTau = sums(tf.square(tau));
    const none = tf.fill(ofTau.shape, Number.NaN) as tf.Tensor1D;
    const gradient = gradients?.average(c) ?? null;
    const rows = [ofTau, gradient ? sums(tf.square(gradient)) : none];
    const compare = (one: tf.Tensor1D, vectors: Chunks) => {
      const other = vectors.chunk(c);
      return [sums(tf.mul(one, other)), sums(tf.squaredDifference(one, other))];
    };
    for (const r of watched) {
      const reference = references[r];
      rows.push(...tf.tidy(() => compare(tau, reference.tau)));
      if (gradient && reference.gradient) {
        const other = reference.gradient;
        rows.push(...tf.tidy(() => compare(gradient, other)));
      } else {
        rows.push(none, none);
      }
    }
    return rows;
  }

  /** It keeps nothing of its own. */
  dispose(): void {}
}
