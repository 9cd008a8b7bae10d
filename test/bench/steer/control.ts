import { mean } from '../../../src/fingerprint/statistics.js';
import type { Recipe } from '../../../src/zoo/train.js';
import type { PoolResult } from './steer-table.js';
import { PLAIN, recipeOf, type Variant } from './variant.js';

interface Plain {
  readonly steps: number;
  readonly learningRate: number;
}

/** Plain training by these steps and step size: the benchmark's own one where they are its own. */
export function plainBy({ steps, learningRate }: Plain, plain: Plain): Variant {
  if (steps === plain.steps && learningRate === plain.learningRate) {
    return PLAIN;
  }
  return {
    id: `plain-${steps}-${learningRate}`,
    title: `plain, ${steps} steps at ${learningRate}`,
    terms: [],
    recipe: { steps, learningRate },
  };
}

/** The benchmark's plain training first, then plain training by steps and step size of every variant, each once. */
export function plainsOf(variants: readonly Variant[], fineTuning: Recipe): Variant[] {
  const all = [PLAIN, ...variants.map((variant) => plainBy(recipeOf(variant, fineTuning), fineTuning))];
  return [...new Map(all.map((variant) => [variant.id, variant])).values()];
}

/**
 * Plain trainings that evaluate as many gradients as a variant does: longer by what each of its steps costs more, at several step sizes.
 * The plain training of the benchmark, which costs no more, is always among them: training for longer is not always better.
 * @param gradientEvaluations of the variant, a step
 */
export function controlCandidates(
  variant: { readonly steps: number; readonly gradientEvaluations: number },
  plain: Plain,
  learningRates: readonly number[],
): Variant[] {
  const steps = Math.round(variant.steps * variant.gradientEvaluations);
  const others = learningRates
    .map((learningRate) => plainBy({ steps, learningRate }, plain))
    .filter(({ id }) => id !== PLAIN.id);
  return steps < plain.steps ? others : [PLAIN, ...others];
}

/** The id whose pairs are best on calibration samples, mean over the methods; of equal ones the first. */
export function bestControl(
  candidates: readonly { readonly id: string; readonly result: PoolResult }[],
  methods: readonly string[],
): string {
  const scored = candidates.map(({ id, result }) => ({ id, accuracy: calibrationAccuracy(result, methods) }));
  return scored.reduce((best, one) => (one.accuracy > best.accuracy ? one : best)).id;
}

function calibrationAccuracy({ pairs }: PoolResult, methods: readonly string[]): number {
  return mean(pairs.flatMap(({ merges }) => methods.map((method) => merges[method]!.calibration.accuracy)));
}
