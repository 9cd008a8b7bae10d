import { mean } from '../../../src/fingerprint/statistics.js';
import type { PoolResult } from './steer-table.js';
import { PLAIN, type Variant } from './variant.js';

/**
 * Plain trainings that evaluate as many gradients as a variant does: longer by what each of its steps costs more, at several step sizes.
 * The plain training of the benchmark, which costs no more, is always among them: training for longer is not always better.
 * @param gradientEvaluations of the variant, a step
 */
export function controlCandidates(
  variant: { readonly steps: number; readonly gradientEvaluations: number },
  plain: { readonly steps: number; readonly learningRate: number },
  learningRates: readonly number[],
): Variant[] {
  const steps = Math.round(variant.steps * variant.gradientEvaluations);
  const others = learningRates
    .filter((learningRate) => steps !== plain.steps || learningRate !== plain.learningRate)
    .map(
      (learningRate): Variant => ({
        id: `plain-${steps}-${learningRate}`,
        title: `plain, ${steps} steps at ${learningRate}`,
        terms: [],
        recipe: { steps, learningRate },
      }),
    );
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
