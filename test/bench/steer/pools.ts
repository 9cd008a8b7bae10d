import { mean } from '../../../src/fingerprint/statistics.js';
import { mapWithin } from '../../../src/threads/index.js';
import type { Steering } from '../../../src/zoo/steering-hook.js';
import type { Task } from '../../../src/zoo/task.js';
import type { Recipe } from '../../../src/zoo/train.js';
import type { Merges } from './merges.js';
import type { Models, TrainedModel } from './models.js';
import type { MergeResult, PoolResult } from './steer-table.js';
import { PLAIN, recipeOf, type Variant } from './variant.js';

export interface PoolsOptions {
  readonly models: Models;
  readonly merges: Merges;
  readonly fineTuning: Recipe;
  readonly threads: number;
  /** told of every model that is trained and every merge that is measured */
  readonly onWork: (work: PoolWork) => void;
}

export type PoolWork =
  | { readonly kind: 'model'; readonly variant: Variant }
  | { readonly kind: 'merge'; readonly variant: Variant; readonly models: number };

/** Whole pools: every task's model trained in one way, alone and merged. */
export class Pools {
  readonly #options: PoolsOptions;
  /** by id */
  readonly #trained = new Map<string, Promise<TrainedModel[]>>();

  constructor(options: PoolsOptions) {
    this.#options = options;
  }

  /** In the order of the tasks. */
  train(variant: Variant): Promise<TrainedModel[]> {
    const trained = this.#trained.get(variant.id) ?? this.#train(variant);
    this.#trained.set(variant.id, trained);
    return trained;
  }

  #train(variant: Variant): Promise<TrainedModel[]> {
    const { models, fineTuning, onWork } = this.#options;
    return this.#all(models.tasks, async (task) => {
      const steering = await this.steering(variant, task);
      const model = await models.train(task, recipeOf(variant, fineTuning), steering);
      onWork({ kind: 'model', variant });
      return model;
    });
  }

  /** How a variant steers the model of a task. */
  async steering({ terms, knowsOthers }: Variant, task: Task): Promise<Steering> {
    const others = knowsOthers ? (await this.train(PLAIN)).filter(({ name }) => name !== task.name) : [];
    return { terms, references: others.map(({ reference }) => reference) };
  }

  async result(variant: Variant, methods: readonly string[]): Promise<PoolResult> {
    const { merges, fineTuning, onWork } = this.#options;
    const { steps, learningRate } = recipeOf(variant, fineTuning);
    const models = await this.train(variant);
    const singles = await this.#all(models, (model) => merges.single(model));
    const pairs = models.flatMap((a, i) => models.slice(i + 1).map((b) => [a, b]));
    const jobs = [...pairs, models].flatMap((group) => methods.map((method) => ({ group, method })));
    const found = await this.#all(jobs, async ({ group, method }) => {
      const result = await merges.merged(group, method);
      onWork({ kind: 'merge', variant, models: group.length });
      return result;
    });
    const byMethod = (group: number): Record<string, MergeResult> =>
      Object.fromEntries(methods.map((method, m) => [method, found[group * methods.length + m]!]));
    return {
      title: variant.title,
      steps,
      learningRate,
      gradientEvaluations: mean(models.map(({ gradientEvaluations }) => gradientEvaluations)),
      single: Object.fromEntries(models.map(({ name }, i) => [name, singles[i]!])),
      pairs: pairs.map(([a, b], pair) => ({ a: a!.name, b: b!.name, merges: byMethod(pair) })),
      all: byMethod(pairs.length),
      warnings: [...new Set(models.flatMap(({ warnings }) => warnings))],
    };
  }

  /** A few more at a time than there are threads, which then never wait for a merge. */
  #all<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
    return mapWithin(items, { budget: 2 * this.#options.threads, weight: () => 1 }, work);
  }
}
