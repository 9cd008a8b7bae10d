import { mean } from '../../../src/fingerprint/statistics.js';
import { mapWithin } from '../../../src/threads/index.js';
import type { Steering } from '../../../src/zoo/steering-hook.js';
import type { Task } from '../../../src/zoo/task.js';
import type { Recipe } from '../../../src/zoo/train.js';
import { plainBy, plainsOf } from './control.js';
import type { Merges } from './merges.js';
import type { Models, TrainedModel } from './models.js';
import type { LiveResult, LiveTable, LiveVariant, MergeResult, StepCost } from './steer-table.js';
import { PLAIN, recipeOf, type Variant } from './variant.js';

export interface LiveTableOptions {
  readonly models: Models;
  readonly merges: Merges;
  readonly fineTuning: Recipe;
  readonly variants: readonly Variant[];
  readonly methods: readonly string[];
  /** how many tasks are live, one after the other, and how many others have a reference */
  readonly lives: number;
  readonly references: number;
  readonly threads: number;
  readonly stepCost: (variant: Variant, task: Task, steering: Steering) => Promise<StepCost | null>;
  /** told of every live model that has been trained and merged */
  readonly onWork: (variant: Variant) => void;
}

/** Which tasks of a pool are live, every second one, and which have the references, of the others the first. */
export function liveSplit<Item>(
  pool: readonly Item[],
  lives: number,
  references: number,
): { lives: Item[]; references: Item[] } {
  const live = pool.filter((_, i) => i % 2 === 0).slice(0, lives);
  return { lives: live, references: pool.filter((item) => !live.includes(item)).slice(0, references) };
}

/**
 * Live models of one seed, steered by every variant, and trained plainly by every variant's steps and step size, merged with fixed plain
 * references.
 */
export async function makeLiveTable(options: LiveTableOptions): Promise<LiveTable> {
  const { models, fineTuning, variants, methods } = options;
  const { lives, references: others } = liveSplit(models.tasks, options.lives, options.references);
  const references = await all(options, others, (task) =>
    models.train(task, recipeOf(PLAIN, fineTuning), { terms: [] }),
  );
  const found: LiveVariant[] = [];
  for (const variant of [...plainsOf(variants, fineTuning), ...variants]) {
    const steering = { terms: variant.terms, references: references.map(({ reference }) => reference) };
    const recipe = recipeOf(variant, fineTuning);
    const trained = await all(options, lives, (task) => models.train(task, recipe, steering));
    const results = await all(options, trained, async (live) => {
      const result = await liveResult(options.merges, live, references, methods);
      options.onWork(variant);
      return result;
    });
    found.push({
      id: variant.id,
      title: variant.title,
      learningRate: recipe.learningRate,
      ownPlain: plainBy(recipe, fineTuning).id,
      stepCost: await options.stepCost(variant, lives[0]!, steering),
      gradientEvaluations: mean(
        trained.map(({ gradientEvaluations, steps }) => (gradientEvaluations * steps) / fineTuning.steps),
      ),
      lives: results,
      warnings: [...new Set(trained.flatMap(({ warnings }) => warnings))],
    });
  }
  return { methods, references: references.map(({ name }) => name), variants: found };
}

async function liveResult(
  merges: Merges,
  live: TrainedModel,
  references: readonly TrainedModel[],
  methods: readonly string[],
): Promise<LiveResult> {
  const single = await merges.single(live);
  const pairs = [];
  for (const reference of references) {
    const byMethod: Record<string, MergeResult> = {};
    for (const method of methods) {
      byMethod[method] = await merges.merged([live, reference], method);
    }
    pairs.push({ reference: reference.name, merges: byMethod });
  }
  return { task: live.name, single, pairs };
}

function all<Item, Result>(
  { threads }: LiveTableOptions,
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  return mapWithin(items, { budget: 2 * threads, weight: () => 1 }, work);
}
