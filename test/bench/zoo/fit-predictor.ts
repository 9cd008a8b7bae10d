import { inverseVarianceShares } from '../../../src/fingerprint/combine.js';
import type { PredictorOf } from '../../../src/fingerprint/cross-validate.js';
import type { Example } from '../../../src/fingerprint/linear-model.js';
import type { Penalties } from '../../../src/fingerprint/penalty.js';
import type { MethodRows } from './method-rows.js';
import type { Predictor } from './predictors.js';

/**
 * Prices of a program on what lines leave over, chosen beforehand on synthetic zoos, not on real outcomes. What they
 * leave of a task is mostly the luck of its calibration and test images, the same in all its pairs: from
 * 0.003 to 0.1 the price of an effect makes no difference there, from 0.15 on it takes them away. Metrics know little
 * beside a probe, so a weight must be worth a tenth of the mean absolute error to be there at all.
 */
const REST_PRICES = { effects: 0.03, metrics: 0.1 };

/**
 * First the lines of the measurements, if there are any; then, on what they leave over, one linear program of metrics, effects or both.
 * Not in one program: effects are nearly free there and explain the tasks that the fit knows, so that the slope of the
 * probe would be fitted to what little they leave, and be wrong for the task that it does not know.
 */
export function programOf(rows: MethodRows, predictor: Predictor, penalties: Penalties): PredictorOf {
  const { fitter, label, columns, metrics: count } = rows;
  const { name, measurements, metrics, effects } = predictor;
  const onRest = measurements.length > 0;
  return async (train, without) => {
    const measured = await combinedLines(rows, predictor, train, without);
    const { predict } = await fitter.fit(
      train.map((example) => ({ ...example, outcome: example.outcome - measured(example) })),
      {
        label: `${label}, ${name}`,
        features: metrics ? columns.slice(0, count) : [],
        withEffects: effects,
        penalty: onRest ? REST_PRICES.metrics : penalties.of(without[0]),
        ...(onRest && { effectPrice: REST_PRICES.effects }),
      },
      without,
    );
    return (example) => measured(example) + predict(example);
  };
}

/**
 * A line for every measurement, combined by inverse variance, as the guard combines the self-probe: two numbers each, so a few
 * dozen rows are enough, and a measurement of another kind takes part as far as it is right. 0 where there is no measurement.
 */
export async function combinedLines(
  { fitter, label, columns }: MethodRows,
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
