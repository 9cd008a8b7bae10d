import type { Reference } from '../reference/index.js';
import type { NamedTensors } from '../tensors/index.js';
import { ThreadPool } from '../threads/index.js';
import type { FineTuned } from './fine-tune-steered.js';
import type { FineTuner } from './pool.js';
import type { Steering } from './steering-hook.js';
import type { StepTimes, Timed } from './step-cost.js';
import type { Task } from './task.js';
import { type Evaluation, type Recipe, type SampleEvaluations, summarise } from './train.js';
import type { TaskSource } from './variant-tasks.js';
import type { EvaluateJob, ZooJob, ZooOutput } from './zoo-worker.js';

export interface EvaluatorOptions extends TaskSource {
  /** worker threads, each with a wasm backend of its own */
  readonly threads: number;
}

export interface EvaluationRequest {
  /** name, see loadPoolTask */
  readonly task: string;
  readonly part: 'test' | 'calibration';
  /** the first so many samples; defaults to all */
  readonly samples?: number;
  /** the zoo's encoder by canonical name, as `preparePool` gives the base */
  readonly encoder: NamedTensors;
  /** the task's head, as a reference holds it */
  readonly head: NamedTensors;
}

/** Evaluates and fine-tunes zoo models in worker threads, to the bit as it is done here on wasm. `close` when done. */
export class ZooEvaluators implements FineTuner {
  readonly threads: number;
  readonly #source: TaskSource;
  readonly #pool: ThreadPool<ZooJob, ZooOutput>;

  private constructor({ threads, data, seed }: EvaluatorOptions) {
    this.threads = threads;
    this.#source = { data, seed };
    this.#pool = new ThreadPool({ module: new URL('./zoo-worker', import.meta.url).href, threads });
  }

  /** @throws MergeguardError where the backend does not open in a thread */
  static async open(options: EvaluatorOptions): Promise<ZooEvaluators> {
    const evaluators = new ZooEvaluators(options);
    const opening = Array.from({ length: options.threads }, (_, index) =>
      evaluators.#pool.run({ kind: 'open' }, { label: `evaluation thread ${index + 1}` }),
    );
    try {
      await Promise.all(opening);
    } catch (error) {
      await Promise.allSettled([...opening, evaluators.close()]);
      throw error;
    }
    return evaluators;
  }

  /**
   * Every sample on its own, in the order of the part, and all of them together.
   * @throws MergeguardError where the task can't be read or the tensors are not the zoo model's
   */
  async evaluate(request: EvaluationRequest): Promise<SampleEvaluations & Evaluation> {
    const { task, part, samples = null, encoder, head } = request;
    const job: EvaluateJob = { kind: 'evaluate', source: this.#source, task, part, samples, encoder, head };
    const evaluated = await this.#pool.run(job, { label: `evaluating ${task}` });
    const each = evaluated as SampleEvaluations;
    return { ...each, ...summarise(each) };
  }

  async fineTune(base: NamedTensors, task: Task, recipe: Recipe, seed: number): Promise<Reference> {
    const job: ZooJob = { kind: 'fine-tune', base, task, recipe, seed };
    return (await this.#pool.run(job, { label: `fine-tuning ${task.name}` })) as Reference;
  }

  /** `fineTune` with steering terms at work; without any it is that to the bit. */
  async fineTuneSteered(
    base: NamedTensors,
    task: Task,
    recipe: Recipe,
    seed: number,
    steering: Steering,
  ): Promise<FineTuned> {
    const job: ZooJob = { kind: 'fine-tune steered', base, task, recipe, seed, steering };
    return (await this.#pool.run(job, { label: `fine-tuning ${task.name}, steered` })) as FineTuned;
  }

  /** Plain and steered steps side by side in one thread, see measureStepTimes; keep the other threads still. */
  async stepTimes(base: NamedTensors, timed: Timed): Promise<StepTimes> {
    const job: ZooJob = { kind: 'step times', base, timed };
    return (await this.#pool.run(job, { label: 'timing steps' })) as StepTimes;
  }

  /** Milliseconds that the threads have worked so far, all together. */
  get busyMs(): number {
    return this.#pool.busyMs;
  }

  /** Stops the threads; what is not done yet is rejected. */
  close(): Promise<void> {
    return this.#pool.close();
  }
}
