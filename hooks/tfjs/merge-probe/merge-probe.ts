import type { ConfiguredMerge } from '../../../src/merging/index.js';
import { MergePool } from '../../../src/merging/index.js';
import type { Reference } from '../../../src/reference/index.js';
import type { NamedTensors } from '../../../src/tensors/index.js';
import type { Pieces } from '../slow-task.js';
import { type MergeResult, PairProbe } from './pair-probe.js';
import { openReferenceTask, type ProbedModel, type ProbedTask, type ReferenceTask } from './probed-task.js';
import { TaskSamples } from './task-samples.js';
import { groupsOf, type TensorToRead } from './tensor-groups.js';

export interface MergeProbeOptions {
  readonly merges: readonly ConfiguredMerge[];
  /** samples of each task at most */
  readonly samples: number;
  /** factors on the merged task vector to evaluate at; 1 is always among them */
  readonly coefficients: readonly number[];
  /** by canonical name */
  readonly base: NamedTensors;
  /** every shared tensor */
  readonly tensors: readonly TensorToRead[];
}

/**
 * Really merges the live model with each reference by each method, and asks the merged model about calibration samples of both
 * tasks (SCIENCE: the best predictor there is). A measurement is all pairs, one after the other, each from a snapshot of the
 * live weights of its own; its pieces are spread over as many steps as the budget wants.
 */
export class MergeProbe implements Pieces {
  readonly count: number;
  /** by name of a reference: why it is not probed */
  readonly limits: ReadonlyMap<string, string>;
  readonly #open: (pair: number) => PairProbe;
  readonly #pairs: number;
  readonly #live: TaskSamples;
  readonly #references: readonly ReferenceTask[];
  readonly #pool: MergePool;
  #pair: PairProbe | null = null;
  #next = 0;
  #onResult: (result: MergeResult) => void = () => {};

  private constructor(
    model: ProbedModel,
    live: ProbedTask,
    references: readonly ReferenceTask[],
    limits: ReadonlyMap<string, string>,
    { merges, coefficients, tensors }: MergeProbeOptions,
  ) {
    this.limits = limits;
    this.#live = live.samples;
    this.#references = references;
    this.#pool = new MergePool({ threads: 1 });
    const pairs = references.flatMap((reference) => merges.map((merge) => ({ reference, merge })));
    const groups = groupsOf(tensors);
    const pool = this.#pool;
    const others = [...new Set(coefficients)].filter((coefficient) => coefficient !== 1);
    this.#pairs = pairs.length;
    this.#open = (pair) =>
      new PairProbe({
        model,
        live,
        groups,
        pool,
        others,
        ...pairs[pair],
        onResult: (result) => this.#onResult(result),
      });
    this.count = pairs.reduce((sum, _, pair) => sum + this.#open(pair).left, 0);
  }

  /** Asks every reference model once about its own samples. @throws what the live model throws for them */
  static async open(
    model: ProbedModel,
    references: readonly Reference[],
    options: MergeProbeOptions,
  ): Promise<MergeProbe> {
    const { calibration } = model;
    const tasks: ReferenceTask[] = [];
    const limits = new Map<string, string>();
    try {
      for (const reference of references) {
        const task = await openReferenceTask(reference, model, { base: options.base, most: options.samples });
        if (typeof task === 'string') {
          limits.set(reference.name, task);
        } else if (task !== null) {
          tasks.push(task);
        }
      }
      const count = Math.min(options.samples, calibration.samples);
      const labels = await calibration.classNumbers(count);
      const samples = new TaskSamples(calibration.first(count), labels, calibration.output);
      const head = { predict: calibration.scores.bind(calibration), instead: new Map() };
      return new MergeProbe(model, { samples, head }, tasks, limits, options);
    } catch (error) {
      for (const task of tasks) {
        task.dispose();
      }
      throw error;
    }
  }

  /** Results go there from now on. */
  listen(onResult: (result: MergeResult) => void): void {
    this.#onResult = onResult;
  }

  get threadMs(): number {
    return this.#pool.busyMs;
  }

  get midway(): boolean {
    return this.#pair !== null || this.#next > 0;
  }

  async begin(step: number): Promise<() => void> {
    this.#pair ??= this.#open(this.#next);
    const pair = this.#pair;
    try {
      const finish = await pair.begin(step);
      return () => this.#finish(pair, finish);
    } catch (error) {
      this.#close(pair);
      throw error;
    }
  }

  #finish(pair: PairProbe, finish: () => void): void {
    try {
      finish();
    } catch (error) {
      this.#close(pair);
      throw error;
    }
    if (pair.left === 0) {
      this.#close(pair);
    }
  }

  /** On to the next one. */
  #close(pair: PairProbe): void {
    pair.dispose();
    if (this.#pair === pair) {
      this.#pair = null;
      this.#next = (this.#next + 1) % this.#pairs;
    }
  }

  restart(): void {
    this.#pair?.dispose();
    this.#pair = null;
    this.#next = 0;
  }

  async rehearse(): Promise<number> {
    if (this.#pairs === 0) {
      return 0;
    }
    const pair = this.#open(0);
    try {
      return await pair.rehearse();
    } finally {
      pair.dispose();
    }
  }

  /** Gives the device memory and the thread back. */
  async close(): Promise<void> {
    this.restart();
    this.#live.dispose();
    for (const task of this.#references) {
      task.dispose();
    }
    await this.#pool.close();
  }
}
