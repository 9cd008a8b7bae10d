import type * as tf from '@tensorflow/tfjs';
import type { SpectralParts } from '../../src/spectral/index.js';
import type { LowRankTensors } from './task-matrix.js';

/** [out, in], or its two factors. */
export type DecomposedMatrix = tf.Tensor2D | LowRankTensors;

/** Where the slow lane has its matrices decomposed. */
export interface Decomposer {
  /**
   * Both ends of the singular value decomposition of a matrix, k vectors each; null for a matrix of zeros. Factors are not
   * multiplied out unless their rank is nearly full.
   * Does on the training's thread only what must be done there, before it returns the promise, and disposes the matrix.
   * @throws MergeguardError where a value is NaN or infinite, or the thread fails; `label` begins the message
   */
  parts(matrix: DecomposedMatrix, k: number, label: string): Promise<SpectralParts | null>;
  /** Does with the matrix what costs the training's thread time, and disposes it. */
  rehearse(matrix: DecomposedMatrix): Promise<void>;
  /** milliseconds that other threads have worked for it so far */
  readonly threadMs: number;
  close(): Promise<void>;
}
