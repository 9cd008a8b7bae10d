import type { Example } from './linear-model.js';
import { relabelMetrics } from './relabel.js';
import { type NumberedRow, sizeProblem } from './table.js';

/** What one variant of one method is fitted on. */
export interface VariantPlan {
  readonly name: string;
  readonly method: string;
  readonly features: readonly string[];
  readonly dropped: readonly { feature: string; reason: string }[];
  /** rows with the outcome and every feature */
  readonly rows: readonly NumberedRow[];
}

/**
 * Decides what a variant can be fitted on: a feature that more than half of the rows lack is dropped, then
 * rows that lack any other are left out.
 */
export function planVariant(
  name: string,
  method: string,
  rows: readonly NumberedRow[],
  features: readonly string[],
): VariantPlan {
  const measured = rows.filter((row) => typeof row.outcomes[method] === 'number');
  const dropped: { feature: string; reason: string }[] = [];
  const kept: string[] = [];
  for (const feature of features) {
    const missing = measured.filter((row) => (row.metrics[feature] ?? null) === null).length;
    if (missing * 2 > measured.length) {
      dropped.push({ feature, reason: `missing in ${missing} of ${measured.length} rows` });
    } else {
      kept.push(feature);
    }
  }
  const complete = measured.filter((row) => kept.every((feature) => (row.metrics[feature] ?? null) !== null));
  return { name, method, features: kept, dropped, rows: complete };
}

export function examplesOf(rows: readonly NumberedRow[], { method, features }: VariantPlan): Example[] {
  return rows.map((row) => ({
    id: row.id,
    taskA: row.taskA,
    taskB: row.taskB,
    checkpoint: row.checkpoint ?? null,
    values: features.map((feature) => row.metrics[feature] as number),
    outcome: row.outcomes[method] as number,
  }));
}

/** One set of examples a relabelling; one that leaves too few rows is left out. */
export function relabelledExamples(plan: VariantPlan, seeds: readonly number[]) {
  return seeds
    .map((seed) => ({ seed, rows: relabelMetrics(plan.rows, seed) }))
    .filter(({ rows }) => sizeProblem(rows) === null)
    .map(({ seed, rows }) => ({ seed, examples: examplesOf(rows, plan) }));
}
