import { availableParallelism } from 'node:os';
import type { DenseMatrix, PartsOptions, SpectralParts } from '../spectral/index.js';
import { ThreadPool } from '../threads/index.js';
import type { BlockSums, IndexPair } from './block-sums.js';
import type { Values } from './named-checkpoint.js';
import type { Answer, Job } from './worker.js';

/** The work on whole tensors, in as many threads as there are cores. What is handed over is gone here. `close` when done. */
export class Workers {
  readonly #threads: ThreadPool<Job, Answer>;
  readonly #signal: AbortSignal | undefined;
  readonly #stop = () => void this.#threads.close();

  /** @param signal once it is aborted, nothing is waited for */
  constructor(threads = availableParallelism(), signal?: AbortSignal) {
    const module = new URL('./worker', import.meta.url).href;
    this.#threads = new ThreadPool({ module, threads });
    this.#signal = signal;
    // One that is aborted already tells nobody any more.
    if (signal?.aborted) {
      this.#stop();
    } else {
      signal?.addEventListener('abort', this.#stop, { once: true });
    }
  }

  /** See `spectralParts`. @param label what errors call the matrix */
  async parts(matrix: DenseMatrix, options: PartsOptions, label: string): Promise<SpectralParts | null> {
    const job = { kind: 'parts' as const, matrix, options };
    const answer = await this.#threads.run(job, { label, transfer: [bufferOf(matrix.data)] });
    return answer as SpectralParts | null;
  }

  /** See `blockSums`. */
  async sums(vectors: readonly Values[], pairs: readonly IndexPair[], label: string): Promise<BlockSums> {
    const job = { kind: 'sums' as const, vectors, pairs };
    return (await this.#threads.run(job, { label, transfer: vectors.map(bufferOf) })) as BlockSums;
  }

  close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#stop);
    return this.#threads.close();
  }
}

/** Task vectors are fresh arrays that fill their buffer. */
function bufferOf(values: Values): ArrayBuffer {
  return values.buffer as ArrayBuffer;
}
