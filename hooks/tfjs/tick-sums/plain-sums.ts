import * as tf from '@tensorflow/tfjs';
import { BLOCK, type Chunk } from '../flat-layout.js';
import type { Chunks, SumSources, TickSums } from './tick-sums.js';

/**
 * By tfjs operations that every backend has: the reference that faster ways are tested against. Some ten operations a chunk and
 * reference; every pair of vectors is read twice and written twice on the way to its sums.
 */
export class PlainSums implements TickSums {
  readonly #sources: SumSources;
  /** by chunk, see ownership */
  readonly #owners: readonly tf.Tensor2D[];

  constructor(sources: SumSources) {
    this.#sources = sources;
    this.#owners = sources.layout.chunks.map((chunk) => tf.keep(ownership(chunk)));
  }

  measure(c: number, dense: (tensor: number) => tf.Tensor, watched: readonly number[]): tf.Tensor1D {
    const { layout } = this.#sources;
    const sums = tf.tidy(() => {
      const tau = layout.join(layout.chunks[c], dense);
      return this.#tensorSums(c, this.#rows(c, tau, watched));
    });
    return tf.reshape(sums, [sums.size]);
  }

  #rows(c: number, tau: tf.Tensor1D, watched: readonly number[]): tf.Tensor1D[] {
    const { gradients, references } = this.#sources;
    const sums = (vector: tf.Tensor) => tf.sum(tf.reshape(vector, [-1, BLOCK]), 1) as tf.Tensor1D;
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

  /**
   * Rows of block sums [Q, blocks] to sums by tensor [Q, tensors of the chunk]. A sum over anything that is not
   * finite is NaN, and it alone: in the product a NaN would spread to every tensor, since NaN times 0 is NaN.
   */
  #tensorSums(chunk: number, rows: readonly tf.Tensor1D[]): tf.Tensor2D {
    const sums = tf.stack([...rows]) as tf.Tensor2D;
    const zeros = tf.mul(sums, 0);
    const broken = tf.notEqual(zeros, zeros);
    const clean = tf.where(broken, tf.zerosLike(sums), sums) as tf.Tensor2D;
    const breaks = tf.matMul(tf.cast(broken, 'float32') as tf.Tensor2D, this.#owners[chunk]);
    const totals = tf.matMul(clean, this.#owners[chunk]);
    return tf.where(tf.greater(breaks, 0), Number.NaN, totals) as tf.Tensor2D;
  }

  dispose(): void {
    tf.dispose([...this.#owners]);
  }
}

/** [blocks, tensors], 1 where the block belongs to the tensor. */
function ownership(chunk: Chunk): tf.Tensor2D {
  const blocks = chunk.length / BLOCK;
  const columns = chunk.tensors.length;
  const values = new Float32Array(blocks * columns);
  let column = 0;
  for (let block = 0; block < blocks; block++) {
    while (column + 1 < columns && chunk.offsets[column + 1] <= block * BLOCK) {
      column += 1;
    }
    values[block * columns + column] = 1;
  }
  return tf.tensor2d(values, [blocks, columns]);
}
