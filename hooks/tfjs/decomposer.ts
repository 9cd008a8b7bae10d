import type * as tf from '@tensorflow/tfjs';
import type { SpectralParts } from '../../src/spectral/index.js';

/** Where the slow lane has its matrices decomposed. */
export interface Decomposer {
  /**
   * Both ends of the singular value decomposition of a matrix [out, in], k vectors each; null for a matrix of zeros.
   * Does on the training's thread only what must be done there, before it returns the promise, and disposes the matrix.
   * @throws MergeguardError where a value is NaN or infinite, or the thread fails; `label` begins the message
   */
  parts(matrix: tf.Tensor2D, k: number, label: string): Promise<SpectralParts | null>;
  /** Does with the matrix what costs the training's thread time, and disposes it. */
  rehearse(matrix: tf.Tensor2D): Promise<void>;
  close(): Promise<void>;
}
