import * as tf from '@tensorflow/tfjs';
import { type SpectralParts, SpectralPool } from '../../src/spectral/index.js';
import type { DecomposedMatrix, Decomposer } from './decomposer.js';

/** Reads the matrix, or its factors, back and hands it to a worker thread. */
export class WorkerDecomposer implements Decomposer {
  readonly #pool = new SpectralPool({ threads: 1 });

  async parts(matrix: DecomposedMatrix, k: number, label: string): Promise<SpectralParts | null> {
    const options = { k, bottom: true, precise: false };
    if (matrix instanceof tf.Tensor) {
      const [rows, columns] = matrix.shape;
      const data = await valuesOf(matrix);
      return this.#pool.parts({ rows, columns, data }, options, label);
    }
    const rank = matrix.right.shape[0];
    const [left, right] = await Promise.all([valuesOf(matrix.left), valuesOf(matrix.right)]);
    return this.#pool.lowRankParts({ left, right, rank }, options, label);
  }

  async rehearse(matrix: DecomposedMatrix): Promise<void> {
    const tensors = matrix instanceof tf.Tensor ? [matrix] : [matrix.left, matrix.right];
    await Promise.all(tensors.map(valuesOf));
  }

  get threadMs(): number {
    return this.#pool.busyMs;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** The values, and the matrix disposed. Nobody else may hold those of a dense one: the buffer goes to another thread. */
async function valuesOf(matrix: tf.Tensor2D): Promise<Float32Array> {
  try {
    return (await matrix.data()) as Float32Array;
  } finally {
    matrix.dispose();
  }
}
