import type * as tf from '@tensorflow/tfjs';
import { type SpectralParts, SpectralPool } from '../../src/spectral/index.js';
import type { Decomposer } from './decomposer.js';

/** Reads the matrix back and hands it to a worker thread. */
export class WorkerDecomposer implements Decomposer {
  readonly #pool = new SpectralPool({ threads: 1 });

  async parts(matrix: tf.Tensor2D, k: number, label: string): Promise<SpectralParts | null> {
    const [rows, columns] = matrix.shape;
    const data = await valuesOf(matrix);
    return this.#pool.parts({ rows, columns, data }, { k, bottom: true, precise: false }, label);
  }

  async rehearse(matrix: tf.Tensor2D): Promise<void> {
    await valuesOf(matrix);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** The values, and the matrix disposed. Nobody else may hold them: the buffer goes to another thread. */
async function valuesOf(matrix: tf.Tensor2D): Promise<Float32Array> {
  try {
    return (await matrix.data()) as Float32Array;
  } finally {
    matrix.dispose();
  }
}
