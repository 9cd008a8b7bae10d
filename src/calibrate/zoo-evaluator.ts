import { applyTau } from '../merging/index.js';
import { readReference } from '../reference/index.js';
import { MergeguardError, type NamedTensors } from '../tensors/index.js';
import { loadPoolTask, type TaskSource, ZooEvaluators } from '../zoo/index.js';
import type { Evaluator, Made, Subject } from './evaluator.js';
import { oneLine } from './one-line.js';
import type { CalibrationPool } from './pool.js';
import { checkHead } from './zoo-head.js';
import { openZooModels, type ZooModel } from './zoo-models.js';

/** Merges zoo models in memory and evaluates them in threads, on all test samples of a task. */
export class ZooEvaluator implements Evaluator {
  /** one more than evaluates, so that the next merge is ready */
  readonly concurrency: number;
  readonly #pool: CalibrationPool;
  readonly #base: NamedTensors;
  readonly #models: readonly ZooModel[];
  readonly #threads: ZooEvaluators;

  private constructor(
    pool: CalibrationPool,
    base: NamedTensors,
    models: readonly ZooModel[],
    threads: ZooEvaluators,
  ) {
    this.#pool = pool;
    this.#base = base;
    this.#models = models;
    this.#threads = threads;
    this.concurrency = threads.threads + 1;
  }

  /**
   * @param threads worker threads that evaluate
   * @throws MergeguardError where a model or a task can't be read
   */
  static async open(pool: CalibrationPool, source: TaskSource, threads: number): Promise<ZooEvaluator> {
    const { base, models } = await openZooModels(pool, source);
    return new ZooEvaluator(pool, base, models, await ZooEvaluators.open({ ...source, threads }));
  }

  identityOf(model: number): unknown {
    const { samples } = this.#models[model]!;
    return { zoo: samples, head: this.#pool.models[model]!.identity };
  }

  async make({ models, merge, scale }: Subject): Promise<Made> {
    const taus = models.map((at) => this.#models[at]!.tau);
    const tau = merge === null ? taus[0]! : merge.merge(taus, this.#base);
    const encoder = applyTau(this.#base, tau, scale);
    return {
      evaluate: async (model) => {
        const request = { part: 'test' as const, encoder, head: this.#models[model]!.head };
        try {
          return await this.#threads.evaluate({ ...request, task: this.#pool.models[model]!.task });
        } catch (error) {
          if (!(error instanceof MergeguardError)) {
            throw error;
          }
          return { failure: error.message, errors: [] };
        }
      },
      discard: async () => undefined,
    };
  }

  close(): Promise<void> {
    return this.#threads.close();
  }
}

/** What keeps a model from being evaluated in the zoo, or null. */
export async function zooProblem(path: string, task: string, source: TaskSource): Promise<string | null> {
  try {
    const reference = await readReference(path);
    if (reference.head === null) {
      return `${path} holds no head, with which the zoo evaluates it; make it with one, or evaluate by a command`;
    }
    checkHead(reference, await loadPoolTask(source, task));
    return null;
  } catch (error) {
    if (!(error instanceof MergeguardError)) {
      throw error;
    }
    return oneLine(error.message);
  }
}
