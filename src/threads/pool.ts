import { Worker } from 'node:worker_threads';
import { MergeguardError, messageOf } from '../tensors/errors.js';

export interface ThreadPoolOptions {
  /** the module that a thread runs, which calls `serveThread`: an absolute `file:` URL without its ending */
  readonly module: string;
  /** worker threads at most; they start when they are needed */
  readonly threads: number;
  /** a thread that takes longer over one job is killed; defaults to no limit */
  readonly timeLimitSeconds?: number;
}

export interface JobOptions {
  /** begins the message of whatever goes wrong with it */
  readonly label: string;
  /** buffers that move to the thread in place of being copied */
  readonly transfer?: readonly ArrayBuffer[];
}

/** What a thread answers a job with. */
export type Reply<Output> = ({ readonly output: Output } | { readonly error: string }) & {
  /** milliseconds that the thread worked on it */
  readonly ms: number;
};

interface Waiting<Input, Output> {
  readonly input: Input;
  readonly options: JobOptions;
  readonly resolve: (output: Output) => void;
  readonly reject: (error: Error) => void;
}

interface Running<Input, Output> extends Waiting<Input, Output> {
  readonly timer: NodeJS.Timeout | undefined;
}

/** Does jobs in worker threads. Jobs are taken in order; `close` when done. Idle threads do not keep a process alive. */
export class ThreadPool<Input, Output> {
  readonly #options: ThreadPoolOptions;
  readonly #waiting: Waiting<Input, Output>[] = [];
  readonly #running = new Map<Worker, Running<Input, Output>>();
  readonly #idle: Worker[] = [];
  #closed = false;
  #busyMs = 0;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
  }

  /** @throws MergeguardError beginning with the job's label when it fails, takes too long, or its thread dies */
  run(input: Input, options: JobOptions): Promise<Output> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new Error(`${options.label}: the thread pool is closed`));
        return;
      }
      this.#waiting.push({ input, options, resolve, reject });
      this.#next();
    });
  }

  /** Milliseconds that the threads have worked on jobs so far, all together. */
  get busyMs(): number {
    return this.#busyMs;
  }

  /** Stops every thread; what was not done yet is rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    const open = [...this.#waiting.splice(0), ...this.#running.values()];
    const workers = [...this.#idle.splice(0), ...this.#running.keys()];
    for (const worker of workers) {
      this.#take(worker);
    }
    for (const job of open) {
      job.reject(new Error(`${job.options.label}: the thread pool was closed before it was done`));
    }
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #next(): void {
    const { threads, timeLimitSeconds: limit } = this.#options;
    if (this.#waiting.length === 0 || this.#running.size >= threads) {
      return;
    }
    const job = this.#waiting.shift() as Waiting<Input, Output>;
    const worker = this.#idle.pop() ?? this.#start();
    const timer =
      limit === undefined
        ? undefined
        : setTimeout(
            () => this.#drop(worker, `it was not done within ${limit} s and was stopped`),
            limit * 1000,
          );
    this.#running.set(worker, { ...job, timer });
    worker.ref();
    try {
      worker.postMessage(job.input, [...(job.options.transfer ?? [])]);
    } catch (error) {
      this.#free(worker);
      job.reject(new MergeguardError(`${job.options.label}: it can't be handed over: ${messageOf(error)}`));
      this.#next();
    }
  }

  #start(): Worker {
    const worker = startWorker(this.#options.module);
    worker.on('message', (reply: Reply<Output>) => {
      this.#busyMs += reply.ms;
      const job = this.#free(worker);
      if (job === undefined) {
        return;
      }
      if ('output' in reply) {
        job.resolve(reply.output);
      } else {
        const { label } = job.options;
        job.reject(
          new MergeguardError(reply.error.startsWith(label) ? reply.error : `${label}: ${reply.error}`),
        );
      }
      this.#next();
    });
    worker.on('messageerror', (error) =>
      this.#drop(worker, `its result did not arrive: ${messageOf(error)}`),
    );
    worker.on('error', (error) => this.#drop(worker, `its thread failed: ${error.message}`));
    worker.on('exit', (code) => this.#drop(worker, `its thread ended with code ${code}`));
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
    job?.reject(new MergeguardError(`${job.options.label}: ${reason}`));
    this.#next();
  }

  /** Takes a thread's job from it, so that it can have another; undefined where it was given up meanwhile. */
  #free(worker: Worker): Running<Input, Output> | undefined {
    const job = this.#take(worker);
    if (job !== undefined) {
      worker.unref();
      this.#idle.push(worker);
    }
    return job;
  }

  #take(worker: Worker): Running<Input, Output> | undefined {
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
function startWorker(module: string): Worker {
  if (!import.meta.url.endsWith('.ts')) {
    return new Worker(new URL(`${module}.js`));
  }
  const tsx = import.meta.resolve('tsx/esm/api');
  const program = `import('${tsx}').then(({ register }) => { register(); return import('${module}.ts'); })`;
  return new Worker(program, { eval: true, execArgv: [] });
}
