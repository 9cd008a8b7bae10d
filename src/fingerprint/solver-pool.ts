import { ThreadPool } from '../threads/index.js';
import type { Program, Solution } from './program.js';

export const DEFAULT_THREADS = 2;

export interface PoolOptions {
  /** worker threads; defaults to 2 */
  readonly threads?: number;
  /** a thread that takes longer over one program is killed; defaults to 60 */
  readonly timeLimitSeconds?: number;
}

/**
 * Solves programs in worker threads, each under a time limit: the simplex method can cycle, and a thread is
 * the only thing that can be stopped from outside. Programs are taken in order; `close` when done.
 */
export class SolverPool {
  readonly #threads: ThreadPool<Program, Solution>;

  constructor({ threads = DEFAULT_THREADS, timeLimitSeconds = 60 }: PoolOptions = {}) {
    const module = new URL('./solve-worker', import.meta.url).href;
    this.#threads = new ThreadPool({ module, threads, timeLimitSeconds });
  }

  /** @throws MergeguardError naming the program when it can't be solved in time or is not solved right */
  solve(program: Program): Promise<Solution> {
    return this.#threads.run(program, { label: `the linear program of ${program.label}` });
  }

  /** Stops every thread; what was not solved yet is rejected. */
  close(): Promise<void> {
    return this.#threads.close();
  }
}
