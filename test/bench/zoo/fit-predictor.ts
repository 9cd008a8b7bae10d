import { inverseVarianceShares } from '../../../src/fingerprint/combine.js';
import type { PredictorOf } from '../../../src/fingerprint/cross-validate.js';
import type { Fitter } from '../../../src/fingerprint/fitter.js';
import type { Example } from '../../../src/fingerprint/linear-model.js';
import type { Penalties } from '../../../src/fingerprint/penalty.js';
import type { Predictor } from './predictors.js';
import { stackOf } from './stack.js';

/**
 * Price of an effect in the program on what the lines leave over, chosen beforehand on synthetic zoos, not on real outcomes.
 * What they leave of a task is mostly the luck of its calibration and test images, the same in all its pairs: from
 * 0.003 to 0.1 the price makes no difference there, from 0.15 on it takes the effects away.
 */
const RESIDUAL_EFFECT_PRICE = 0.03;

export interface FitContext {
  readonly fitter: Fitter;
  /** of the rows: says which table and method they are of */
  readonly label: string;
  /** metrics and measurements, the names of `values` */
  readonly columns: readonly string[];
  /** the first so many columns are metrics */
  readonly metrics: number;
}

/**
 * A stack is fitted part by part. Others in two steps. First a line for every measurement, combined by inverse variance, as the
 * guard combines the self-probe: two numbers each, so a few dozen rows are enough, and a measurement of another kind
 * takes part as far as it is right. Then, on what they leave over, one linear program with effects. Not
 * in one program: effects are nearly free there and explain the tasks that the fit knows, so that the slope of the
 * probe would be fitted to what little they leave, and be wrong for the task that it does not know.
 */
export function predictorOf(context: FitContext, predictor: Predictor, penalties: Penalties): PredictorOf {
  if (predictor.parts !== undefined) {
    return stackOf(predictor.parts.map((part) => predictorOf(context, part, penalties)));
  }
  return async (train, without) => {
    const measured = await combinedLines(context, predictor, train, without);
    const { metrics, effects } = predictor;
    if (!metrics && !effects) {
      return measured;
    }
    const rest = train.map((example) => ({ ...example, outcome: example.outcome - measured(example) }));
    const { predict } = await context.fitter.fit(
      rest,
      {
        label: `${context.label}, ${predictor.name}`,
        features: metrics ? context.columns.slice(0, context.metrics) : [],
        withEffects: effects,
        penalty: penalties.of(without[0]),
        ...(predictor.measurements.length > 0 && { effectPrice: RESIDUAL_EFFECT_PRICE }),
      },
      without,
    );
    return (example) => measured(example) + predict(example);
  };
}

/** 0 where there is no measurement. */
async function combinedLines(
  { fitter, label, columns }: FitContext,
  { measurements, raw }: Predictor,
  train: readonly Example[],
  without: readonly string[],
): Promise<(example: Example) => number> {
  const at = measurements.map((name) => columns.indexOf(name));
  if (raw) {
    return ({ values }) => values[at[0]];
  }
  const lines = await Promise.all(
    at.map((column) => fitter.line(train, { label: `${label}, ${columns[column]}`, column }, without)),
  );
  const shares = inverseVarianceShares(lines.map(({ deviation }) => deviation));
  return ({ values }) =>
    lines.reduce((sum, { slope, offset }, i) => sum + shares[i] * (offset + slope * values[at[i]]), 0);
}
