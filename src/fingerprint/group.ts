import { cut, halfWidthOf, normalFor } from './interval.js';
import type { Fingerprint, Variant } from './schema.js';

/** A predicted merge of the live model with several references at once. */
export interface GroupScore {
  method: string;
  /** of the references, in the order they were given */
  references: string[];
  /** normalised accuracy, the mean over all merged tasks; null with a reason where it can't be predicted */
  value: number | null;
  low: number | null;
  high: number | null;
  level: number;
  /** mean prediction of the pairs in the group: higher is better, whether or not the level is known */
  pairs: number | null;
  reason?: string;
}

/**
 * Mean outcome of the pairs among tasks, by effects alone: every task is in k - 1 of the k (k - 1) / 2 pairs, and a
 * task that the fit does not know has the effect of a typical one.
 */
export function meanOfPairs(
  { intercept, effects }: Pick<Variant, 'intercept' | 'effects'>,
  tasks: readonly string[],
): number {
  const sum = tasks.reduce((total, task) => total + (Object.hasOwn(effects, task) ? effects[task] : 0), 0);
  return intercept + (2 * sum) / tasks.length;
}

/** What k models lose together, when their pairs lose `1 - pairs` on the mean: (1 - pairs) (k - 1) ** growth. */
export function groupOutcome(pairs: number, models: number, growth: number): number {
  return 1 - Math.max(0, 1 - pairs) * (models - 1) ** growth;
}

/**
 * Predicts the merge of the live model with all references at once: from the scores of its own pairs, and from
 * effects for the pairs of references with each other. How much more a group loses than its pairs is not in a table
 * of pairs: where the fingerprint was not fitted on groups too, only the mean of the pairs is given, which ranks
 * groups but is higher than what comes out. Merge probes move the pairs and with them the group, whose interval stays.
 *
 * @param predicted of the live model with each reference by this method, as scorePair gives it
 */
export function scoreGroup(
  { methods, level }: Fingerprint,
  method: string,
  predicted: readonly { readonly reference: string; readonly value: number | null }[],
): GroupScore {
  const references = predicted.map(({ reference }) => reference);
  const unknown = { method, references, value: null, low: null, high: null, level, pairs: null };
  const missing = predicted.filter(({ value }) => value === null).map(({ reference }) => reference);
  if (references.length < 2 || missing.length > 0 || !Object.hasOwn(methods, method)) {
    const reason =
      references.length < 2
        ? 'a group is the live model and at least two references'
        : `no score of ${missing.join(', ') || method}`;
    return { ...unknown, reason };
  }
  const { groups, variants } = methods[method];
  const live = predicted.reduce((sum, { value }) => sum + (value as number), 0);
  const amongReferences = (references.length * (references.length - 1)) / 2;
  // the variant without metrics, which every method has
  const effectsOnly = variants[variants.length - 1];
  const others = amongReferences * meanOfPairs(effectsOnly, references);
  const pairs = (live + others) / (references.length + amongReferences);
  if (groups === null) {
    return {
      ...unknown,
      pairs,
      reason:
        'the fingerprint was fitted on pairs only: it ranks groups by their pairs and does not know their level',
    };
  }
  const models = references.length + 1;
  const value = groupOutcome(pairs, models, groups.growth);
  // Every reference that the fit does not know adds its effect, as far as effects spread.
  const { effects, effectSpread } = effectsOnly;
  const unknowns = references.filter((reference) => !Object.hasOwn(effects, reference)).length;
  const spread = (models - 1) ** groups.growth * (2 / models) * Math.sqrt(unknowns) * effectSpread;
  const half = Math.hypot(halfWidthOf(groups.intervals, level), spread * normalFor(level));
  return { ...unknown, pairs, value: cut(value), low: cut(value - half), high: cut(value + half) };
}
