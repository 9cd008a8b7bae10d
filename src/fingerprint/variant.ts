import { combine } from './combine.js';
import {
  absoluteResiduals,
  foldsOf,
  type HeldOut,
  leaveOneTaskOut,
  nestedCoverage,
  nestedFits,
} from './cross-validate.js';
import { bootstrapFigures, coverageOf, errorsOf, figuresOf } from './figures.js';
import { Fitter, type FitterOptions } from './fitter.js';
import type { Example, LinearModel } from './linear-model.js';
import type { Penalties } from './penalty.js';
import { examplesOf, relabelledExamples, type VariantPlan } from './plan.js';
import type { Figures, Variant } from './schema.js';
import { intervalsOf, mean, quantile, rootMeanSquare } from './statistics.js';

export interface VariantOptions {
  readonly directed: boolean;
  readonly level: number;
  /** of the relabellings */
  readonly seeds: readonly number[];
}

/** Fits that fitVariant makes, for the progress. */
export function variantFits(plan: VariantPlan, { directed, seeds }: VariantOptions): number {
  const examples = examplesOf(plan.rows, plan);
  const folds = foldsOf(examples, directed).length;
  const withEffects = 1 + folds + nestedFits(examples, directed);
  if (plan.features.length === 0) {
    return withEffects;
  }
  return relabelledExamples(plan, seeds).reduce(
    (sum, { examples: relabelled }) => sum + foldsOf(relabelled, directed).length,
    withEffects + folds + (1 + folds),
  );
}

/**
 * One linear program with effects on all rows; beside it, leaving one task out, its figures, those of effects
 * alone, of metrics alone, and of metrics of the wrong tasks.
 *
 * @param selfProbe LOTO predictions of the self-probe, to combine with; null where there are none
 */
export async function fitVariant(
  plan: VariantPlan,
  { directed, level, seeds }: VariantOptions,
  fits: FitterOptions,
  penalties: { readonly withEffects: Penalties; readonly metricsOnly: Penalties },
  selfProbe: readonly HeldOut[] | null,
): Promise<Variant> {
  const { features } = plan;
  const examples = examplesOf(plan.rows, plan);
  const fitter = new Fitter(fits);
  const name = `${plan.method}, ${plan.name}`;
  const foldModels: LinearModel[] = [];
  const loto = (rows: readonly Example[], names: readonly string[], withEffects: boolean, label: string) =>
    leaveOneTaskOut(rows, directed, async (train, [fold]) => {
      const penalty = (withEffects ? penalties.withEffects : penalties.metricsOnly).of(fold);
      const { model, predict } = await fitter.fit(train, { label, features: names, withEffects, penalty }, [
        fold,
      ]);
      if (withEffects && names === features) {
        foldModels.push(model);
      }
      return predict;
    });
  const nothing = features.length === 0;
  const [{ model }, full, metricsAlone, alone, effectsAlone, relabelled] = await Promise.all([
    fitter.fit(
      examples,
      { label: name, features, withEffects: true, penalty: penalties.withEffects.all },
      [],
    ),
    loto(examples, features, true, name),
    nothing
      ? null
      : fitter.fit(
          examples,
          {
            label: `${name}, metrics only`,
            features,
            withEffects: false,
            penalty: penalties.metricsOnly.all,
          },
          [],
        ),
    nothing ? null : loto(examples, features, false, `${name}, metrics only`),
    nothing ? null : loto(examples, [], true, `${name}, effects only`),
    nothing
      ? null
      : Promise.all(
          relabelledExamples(plan, seeds).map(({ seed, examples: rows }) =>
            loto(rows, features, false, `${name}, relabelled ${seed}`),
          ),
        ),
  ]);
  const coverage = await nestedCoverage(full, examples, directed, level, async (train, tasks) => {
    const penalty = penalties.withEffects.of(tasks[0]);
    return (await fitter.fit(train, { label: name, features, withEffects: true, penalty }, tasks)).predict;
  });
  const combined = selfProbe === null ? null : combine(full, selfProbe);
  const constant = model.constant.map((feature) => ({ feature, reason: 'constant over the rows' }));
  return {
    name: plan.name,
    rows: examples.length,
    penalty: penalties.withEffects.all,
    features: model.features.map((feature) => ({
      ...feature,
      range: weightRange(feature.name, [model, ...foldModels]),
    })),
    dropped: [...plan.dropped, ...constant],
    intercept: model.intercept,
    effects: { ...model.effects },
    effectSpread: rootMeanSquare(Object.values(model.effects)),
    errors: errorsOf(full),
    intervals: intervalsOf(absoluteResiduals(full), level),
    loto: { ...figuresOf(full), coverage },
    bootstrap: bootstrapFigures(full, effectsAlone),
    combined: combined && {
      errors: errorsOf(combined),
      intervals: intervalsOf(absoluteResiduals(combined), level),
      loto: { ...figuresOf(combined), coverage: coverageOf(combined, level) },
    },
    metricsOnly: alone &&
      metricsAlone && {
        ...figuresOf(alone),
        penalty: penalties.metricsOnly.all,
        weights: Object.fromEntries(
          metricsAlone.model.features.map(({ name: key, weight }) => [key, weight]),
        ),
      },
    effectsOnly: effectsAlone && figuresOf(effectsAlone),
    null: relabelled && nullOf(relabelled.map(figuresOf)),
  };
}

function weightRange(name: string, models: readonly LinearModel[]): [number, number] {
  const weights = models.map(
    ({ features }) => features.find((feature) => feature.name === name)?.weight ?? 0,
  );
  return [Math.min(...weights), Math.max(...weights)];
}

function nullOf(figures: readonly Figures[]): Variant['null'] {
  const rs = figures.flatMap(({ r }) => (r === null ? [] : [r]));
  return rs.length === 0
    ? { count: 0, meanR: null, r95: null }
    : { count: rs.length, meanR: mean(rs), r95: quantile(rs, 0.95) };
}
