import { join } from 'node:path';
import type { Recipes } from '../../../src/zoo/pool.js';
import type { Recipe } from '../../../src/zoo/train.js';
import type { PoolNames, TaskSource } from '../../../src/zoo/variant-tasks.js';
import { ZooEvaluators } from '../../../src/zoo/zoo-evaluators.js';
import { Units } from '../common/units.js';
import { makeLiveTable } from './live-table.js';
import { Merges } from './merges.js';
import { Models } from './models.js';
import type { Samples } from './plan.js';
import { makePoolTable } from './pool-table.js';
import { Pools, type PoolWork } from './pools.js';
import type { SteerTable } from './steer-table.js';
import { stepCostOf } from './step-cost.js';
import { recipeOf, type Variant } from './variant.js';

/** What is compared, and how. */
export interface SteerPlan {
  /** shape and pretraining of the base */
  readonly baseRecipes: Recipes;
  readonly fineTuning: Recipe;
  readonly samples: Samples;
  readonly headline: readonly string[];
  /** of 12 steps, plain and steered, that step times are measured over */
  readonly stepBlocks: number;
  /** null: no whole pools */
  readonly pools: {
    readonly variants: readonly Variant[];
    readonly further: readonly string[];
    readonly learningRates: readonly number[];
  } | null;
  /** null: no live models */
  readonly live: {
    readonly variants: readonly Variant[];
    readonly lives: number;
    readonly references: number;
  } | null;
}

export interface SteerOptions extends TaskSource, PoolNames {
  readonly plan: SteerPlan;
  /** folder; null: nothing is kept */
  readonly cache: string | null;
  readonly threads: number;
  readonly onWork?: (work: SteerWork) => void;
}

export type SteerWork =
  | { readonly kind: 'pretrain'; readonly done: number; readonly total: number }
  | { readonly kind: 'live'; readonly variant: Variant }
  | PoolWork;

/** One seed of the benchmark. */
export async function makeSteerTable(options: SteerOptions): Promise<SteerTable> {
  const { seed, pool, plan, cache, threads, onWork = () => {} } = options;
  const { fineTuning, samples, headline } = plan;
  const evaluators = await ZooEvaluators.open({ threads, data: options.data, seed });
  try {
    const units = await Units.open(cache === null ? null : join(cache, 'steer-bench'));
    const models = await Models.open({
      ...options,
      recipes: plan.baseRecipes,
      evaluators,
      onPretrain: (done, total) => onWork({ kind: 'pretrain', done, total }),
    });
    const { base, tasks } = models;
    const merges = new Merges(base, evaluators, units, samples);
    const timed = { base, seed, evaluators, units, blocks: plan.stepBlocks };
    const pools = new Pools({ models, merges, fineTuning, threads, onWork });
    return {
      seed,
      tasks: pool,
      pools:
        plan.pools &&
        (await makePoolTable(pools, {
          ...plan.pools,
          headline,
          stepCost: async (variant) => {
            const recipe = recipeOf(variant, fineTuning);
            return stepCostOf(variant, {
              ...timed,
              task: tasks[0]!,
              recipe,
              steering: await pools.steering(variant, tasks[0]!),
            });
          },
        })),
      live:
        plan.live &&
        (await makeLiveTable({
          ...plan.live,
          models,
          merges,
          fineTuning,
          methods: headline,
          threads,
          stepCost: (variant, task, steering) =>
            stepCostOf(variant, { ...timed, task, recipe: recipeOf(variant, fineTuning), steering }),
          onWork: (variant) => onWork({ kind: 'live', variant }),
        })),
    };
  } finally {
    await evaluators.close();
  }
}
