import { ThreadPool } from '../threads/index.js';
import type { LowRankMatrix } from './low-rank-parts.js';
import type { DenseMatrix, PartsOptions, SpectralParts } from './parts.js';
import type { SpectralJob } from './spectral-worker.js';

/** `spectralParts` and `lowRankParts` in worker threads. `close` when done. */
export class SpectralPool {
  readonly #threads: ThreadPool<SpectralJob, SpectralParts | null>;

  constructor({ threads }: { readonly threads: number }) {
    const module = new URL('./spectral-worker', import.meta.url).href;
    this.#threads = new ThreadPool({ module, threads });
  }

  /**
   * The matrix' values move to the thread: they are gone here afterwards.
   * @param label what errors call the matrix
   * @throws MergeguardError beginning with the label, where a value is NaN or infinite or the thread fails
   */
  parts(matrix: DenseMatrix, options: PartsOptions, label = 'a matrix'): Promise<SpectralParts | null> {
    const { buffer, byteOffset, byteLength } = matrix.data;
    const isWhole = byteOffset === 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer;
    return this.#threads.run({ matrix, options }, { label, transfer: isWhole ? [buffer] : [] });
  }

  /** The factors are copied: they are small, and may be somebody else's. Label and errors as in `parts`. */
  lowRankParts(matrix: LowRankMatrix, options: PartsOptions, label: string): Promise<SpectralParts | null> {
    return this.#threads.run({ matrix, options }, { label });
  }

  /** Milliseconds that the threads have worked so far, all together. */
  get busyMs(): number {
    return this.#threads.busyMs;
  }

  close(): Promise<void> {
    return this.#threads.close();
  }
}
