import { WorkProgress } from '../../../src/cli/work-progress.js';
import { TERMS } from '../../../src/steering/index.js';
import type { Recipe } from '../../../src/zoo/train.js';
import { controlCandidates, plainsOf } from './control.js';
import type { SteerPlan, SteerWork } from './table.js';
import { recipeOf, type Variant } from './variant.js';

/** Seconds of one gradient evaluation, of a hundred images evaluated, and of one merge, roughly: they only weigh the work. */
const STEP = 0.045;
const HUNDRED = 0.035;
const MERGE = 0.05;
/** coefficients that a search without refinements tries, mostly */
const TRIED = 5;

export interface SteerSize {
  /** of a pool */
  readonly models: number;
  readonly threads: number;
}

interface Seed {
  readonly seed: number;
  readonly plan: SteerPlan;
}

type Size = SteerSize & { readonly plan: SteerPlan };
type PlannedPools = NonNullable<SteerPlan['pools']>;

/** How far all seeds together are and the time left, by what each piece of work is known to cost. */
export class SteerProgress {
  readonly #bar: WorkProgress;
  readonly #size: SteerSize;
  readonly #seeds: readonly Seed[];
  #done = 0;

  constructor(err: NodeJS.WriteStream, size: SteerSize, seeds: readonly Seed[]) {
    this.#size = size;
    this.#seeds = seeds;
    this.#bar = new WorkProgress(err, (done, total) => `${Math.round((100 * done) / total)} % of the work`);
  }

  /** Of the table of that seed. */
  of(seed: number): (work: SteerWork) => void {
    const costs = this.#seeds.map(({ plan }) => seedCost({ ...this.#size, plan }));
    const at = this.#seeds.findIndex((each) => each.seed === seed);
    const before = sum(costs.slice(0, at));
    const size = { ...this.#size, plan: this.#seeds[at]!.plan };
    let pretrained = 0;
    let others = 0;
    return (work) => {
      if (work.kind === 'pretrain') {
        pretrained = (pretrainCost(size) * work.done) / work.total;
      } else {
        others += costOf(work, size);
      }
      // Nothing goes back: what a cache holds, or two variants share, is done sooner than it was planned.
      this.#done = Math.max(this.#done, before + Math.min(costs[at]!, pretrained + others));
      this.#bar.show({
        done: this.#done,
        total: sum(costs),
        label: `seed ${seed}: ${labelOf(work)}`,
      });
    };
  }

  close(): void {
    this.#bar.close();
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function labelOf(work: SteerWork): string {
  return work.kind === 'pretrain'
    ? `pretrain ${work.done}/${work.total}`
    : `${work.variant.id}, ${work.kind}s`;
}

function costOf(work: Exclude<SteerWork, { kind: 'pretrain' }>, size: Size): number {
  switch (work.kind) {
    case 'model':
      return modelCost(work.variant, size);
    case 'merge':
      return mergeCost(work.models, size);
    case 'live':
      return liveCost(work.variant, size);
  }
}

function seedCost(size: Size): number {
  const { models, plan } = size;
  const pairs = (models * (models - 1)) / 2;
  let cost = pretrainCost(size);
  if (plan.pools) {
    const { variants, further } = plan.pools;
    const poolMerges = pairs * mergeCost(2, size) + mergeCost(models, size);
    const all = poolsOf(plan.pools, plan.fineTuning);
    for (const variant of all) {
      cost += models * modelCost(variant, size) + plan.headline.length * poolMerges;
    }
    // Of the controls the further methods are measured on the chosen ones alone.
    cost += Math.min(all.length, 2 + variants.length) * further.length * poolMerges;
  }
  if (plan.live) {
    const { lives, variants } = plan.live;
    for (const variant of [...plainsOf(variants, plan.fineTuning), ...variants]) {
      cost += lives * liveCost(variant, size);
    }
  }
  return cost;
}

/** Every pool that is trained: variants, plain training by their step sizes, and the controls they can have. */
function poolsOf({ variants, learningRates }: PlannedPools, fineTuning: Recipe): Variant[] {
  const controls = variants.flatMap((variant) => {
    const { steps } = recipeOf(variant, fineTuning);
    const gradientEvaluations = evaluationsOf(variant);
    return controlCandidates({ steps, gradientEvaluations }, fineTuning, learningRates);
  });
  const all = [...plainsOf(variants, fineTuning), ...variants, ...controls];
  return [...new Map(all.map((variant) => [variant.id, variant])).values()];
}

function pretrainCost({ plan }: Size): number {
  return plan.baseRecipes.pretraining.steps * STEP;
}

function modelCost(variant: Variant, { plan, threads }: Size): number {
  const { steps }: Recipe = recipeOf(variant, plan.fineTuning);
  return (steps * evaluationsOf(variant) * STEP) / threads;
}

function mergeCost(models: number, { plan: { samples }, threads }: Size): number {
  const tried = TRIED + 2 * samples.refinements;
  const images = models * (tried * samples.calibration + samples.test);
  return MERGE + ((images / 100) * HUNDRED) / threads;
}

function liveCost(variant: Variant, size: Size): number {
  const { references = 0 } = size.plan.live ?? {};
  const merges = references * size.plan.headline.length;
  return modelCost(variant, size) + merges * mergeCost(2, size);
}

/** Gradient evaluations of a step, by what the terms say of themselves. */
function evaluationsOf({ terms }: Variant): number {
  return terms.reduce((sum, { term, strength, parameters }) => {
    const info = TERMS.find(({ name }) => name === term);
    return sum + (info?.gradientEvaluations({ ...parameters, strength }) ?? 0);
  }, 1);
}
