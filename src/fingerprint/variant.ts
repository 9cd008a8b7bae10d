import { combine } from './combine.js';
import {
  absoluteResiduals,
  coverageOf,
  type Figures,
  figuresOf,
  foldsOf,
  type HeldOut,
  leaveOneTaskOut,
  residuals,
} from './cross-validate.js';
import { type Example, fitLinear, predictLinear } from './linear-model.js';
import type { Program, Solution } from './program.js';
import { relabelMetrics } from './relabel.js';
import type { Interval, Loto, Variant } from './schema.js';
import { conformalHalfWidth, deviation, mean, quantile, rootMeanSquare } from './statistics.js';
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

export interface VariantOptions {
  readonly directed: boolean;
  readonly penalty: number;
  readonly level: number;
  /** of the relabellings */
  readonly seeds: readonly number[];
  readonly solve: (program: Program) => Promise<Solution>;
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

/** Programs that fitVariant solves, for the progress. */
export function variantPrograms(plan: VariantPlan, { directed, seeds }: VariantOptions): number {
  const folds = foldsOf(examplesOf(plan.rows, plan), directed).length;
  if (plan.features.length === 0) {
    return 1 + folds;
  }
  return relabelledExamples(plan, seeds).reduce(
    (sum, { examples }) => sum + foldsOf(examples, directed).length,
    1 + 3 * folds,
  );
}

/** @param selfProbe LOTO predictions of the self-probe, to combine with; null where there are none */
export async function fitVariant(
  plan: VariantPlan,
  options: VariantOptions,
  selfProbe: readonly HeldOut[] | null,
): Promise<Variant> {
  const { directed, penalty, level, seeds, solve } = options;
  const examples = examplesOf(plan.rows, plan);
  const name = `${plan.method}, ${plan.name}`;
  const loto = (rows: readonly Example[], features: readonly string[], withEffects: boolean, what: string) =>
    leaveOneTaskOut(rows, directed, async (train, fold) => {
      const label = `${name}${what}, without ${fold}`;
      const model = await fitLinear(train, { label, features, withEffects, penalty, solve });
      return (example) => predictLinear(model, features, example);
    });
  const hasFeatures = plan.features.length > 0;
  const [model, full, metricsOnly, effectsOnly, relabelled] = await Promise.all([
    fitLinear(examples, { label: name, features: plan.features, withEffects: true, penalty, solve }),
    loto(examples, plan.features, true, ''),
    hasFeatures ? loto(examples, plan.features, false, ', metrics only') : null,
    hasFeatures ? loto(examples, [], true, ', effects only') : null,
    hasFeatures
      ? Promise.all(
          relabelledExamples(plan, seeds).map(({ seed, examples: relabelled }) =>
            loto(relabelled, plan.features, false, `, relabelled ${seed}`),
          ),
        )
      : null,
  ]);
  const effects = Object.values(model.effects);
  const constant = model.constant.map((feature) => ({ feature, reason: 'constant over the rows' }));
  const combined = selfProbe === null ? null : combine(full, selfProbe);
  return {
    name: plan.name,
    rows: examples.length,
    features: [...model.features],
    dropped: [...plan.dropped, ...constant],
    intercept: model.intercept,
    effects: { ...model.effects },
    effectSpread: deviation(effects),
    deviation: rootMeanSquare(residuals(full)),
    intervals: intervalsOf(full, level),
    loto: lotoOf(full, level),
    combined:
      combined === null ? null : { intervals: intervalsOf(combined, level), loto: lotoOf(combined, level) },
    metricsOnly: metricsOnly && figuresOf(metricsOnly),
    effectsOnly: effectsOnly && figuresOf(effectsOnly),
    null: relabelled && nullOf(relabelled.map(figuresOf)),
  };
}

function examplesOf(rows: readonly NumberedRow[], { method, features }: VariantPlan): Example[] {
  return rows.map((row) => ({
    id: row.id,
    taskA: row.taskA,
    taskB: row.taskB,
    values: features.map((feature) => row.metrics[feature] as number),
    outcome: row.outcomes[method] as number,
  }));
}

/** One set of examples a relabelling; one that leaves too few rows is left out. */
function relabelledExamples(plan: VariantPlan, seeds: readonly number[]) {
  return seeds
    .map((seed) => ({ seed, rows: relabelMetrics(plan.rows, seed) }))
    .filter(({ rows }) => sizeProblem(rows) === null)
    .map(({ seed, rows }) => ({ seed, examples: examplesOf(rows, plan) }));
}

function lotoOf(heldOut: readonly HeldOut[], level: number): Loto {
  return { ...figuresOf(heldOut), coverage: coverageOf(heldOut, level) };
}

function intervalsOf(heldOut: readonly HeldOut[], level: number): Interval[] {
  const levels = [...new Set([level, 0.8, 0.95])].sort();
  const absolute = absoluteResiduals(heldOut);
  return levels.map((each) => ({ level: each, halfWidth: conformalHalfWidth(absolute, each) }));
}

function nullOf(figures: readonly Figures[]): Variant['null'] {
  const rs = figures.flatMap(({ r }) => (r === null ? [] : [r]));
  return rs.length === 0
    ? { count: 0, meanR: null, r95: null }
    : { count: rs.length, meanR: mean(rs), r95: quantile(rs, 0.95) };
}
