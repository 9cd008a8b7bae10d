import { Worker } from 'node:worker_threads';
import { MergeguardError } from '../tensors/index.js';
import type { Program, Solution } from './program.js';

export const DEFAULT_THREADS = 2;

export interface PoolOptions {
  /** worker threads; defaults to 2 */
  readonly threads?: number;
  /** a thread that takes longer over one program is killed; defaults to 60 */
  readonly timeLimitSeconds?: number;
}

interface Waiting {
  readonly program: Program;
  readonly resolve: (solution: Solution) => void;
  readonly reject: (error: Error) => void;
}

interface Running extends Waiting {
  readonly timer: NodeJS.Timeout;
}

/**
 * Solves programs in worker threads, each under a time limit: the simplex method can cycle, and a thread is
 * the only thing that can be stopped from outside. Programs are taken in order; `close` when done.
 */
export class SolverPool {
  readonly #threads: number;
  readonly #limit: number;
  readonly #waiting: Waiting[] = [];
  readonly #running = new Map<Worker, Running>();
  readonly #idle: Worker[] = [];
  #closed = false;

  constructor({ threads = DEFAULT_THREADS, timeLimitSeconds = 60 }: PoolOptions = {}) {
    this.#threads = threads;
    this.#limit = timeLimitSeconds;
  }

  /** @throws MergeguardError naming the program when it can't be solved in time or is not solved right */
  solve(program: Program): Promise<Solution> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new Error(`${program.label}: the solver pool is closed`));
        return;
      }
      this.#waiting.push({ program, resolve, reject });
      this.#next();
    });
  }

  /** Stops every thread; what was not solved yet is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    const open = [...this.#waiting.splice(0), ...this.#running.values()];
    const workers = [...this.#idle.splice(0), ...this.#running.keys()];
    for (const worker of workers) {
      this.#take(worker);
    }
    for (const job of open) {
      job.reject(new Error(`${job.program.label}: the solver pool was closed before it was solved`));
    }
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #next(): void {
    if (this.#waiting.length === 0 || this.#running.size >= this.#threads) {
      return;
    }
    const { program, resolve, reject } = this.#waiting.shift() as Waiting;
    const worker = this.#idle.pop() ?? this.#start();
    const timer = setTimeout(() => {
      this.#drop(worker, `the linear program was not solved within ${this.#limit} s and was stopped`);
    }, this.#limit * 1000);
    this.#running.set(worker, { program, resolve, reject, timer });
    worker.postMessage(program);
  }

  #start(): Worker {
    const worker = startWorker();
    worker.on('message', (reply: { solution: Solution } | { error: string }) => {
      const job = this.#take(worker);
      if (job === undefined) {
        return;
      }
      this.#idle.push(worker);
      if ('solution' in reply) {
        job.resolve(reply.solution);
      } else {
        job.reject(new MergeguardError(reply.error));
      }
      this.#next();
    });
    worker.on('error', (error) => this.#drop(worker, `the solver thread failed: ${error.message}`));
    worker.on('exit', (code) => this.#drop(worker, `the solver thread ended with code ${code}`));
    return worker;
  }

  /** Gives a thread up; what it was working on is rejected with the reason. */
  #drop(worker: Worker, reason: string): void {
    const job = this.#take(worker);
    const idle = this.#idle.indexOf(worker);
    if (idle >= 0) {
      this.#idle.splice(idle, 1);
    }
    void worker.terminate();
    job?.reject(new MergeguardError(`${job.program.label}: ${reason}`));
    this.#next();
  }

  #take(worker: Worker): Running | undefined {
    const job = this.#running.get(worker);
    this.#running.delete(worker);
    clearTimeout(job?.timer);
    return job;
  }
}

/**
 * From source (tests, scripts) the thread must first load tsx to read TypeScript; the built package need not.
 * Node 20 ignores `--import` in a thread's own arguments, hence the small program.
 */
function startWorker(): Worker {
  if (!import.meta.url.endsWith('.ts')) {
    return new Worker(new URL('./solve-worker.js', import.meta.url));
  }
  const tsx = import.meta.resolve('tsx/esm/api');
  const file = new URL('./solve-worker.ts', import.meta.url).href;
  const program = `import('${tsx}').then(({ register }) => { register(); return import('${file}'); })`;
  return new Worker(program, { eval: true, execArgv: [] });
}
