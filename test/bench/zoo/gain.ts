import type { HeldOut } from '../../../src/fingerprint/cross-validate.js';
import { type Interval, intervalOf, resampledTasks } from '../common/task-bootstrap.js';

/** What a predictor gains on another: positive is better. */
export interface Gain {
  /** mean absolute error of the one before minus that of the one after, a fraction */
  readonly mae: Interval;
  /** correlation inside a fold of the one after minus that of the one before; null where it is not known */
  readonly r: Interval | null;
  /** tasks whose own held-out pairs are predicted better, of all */
  readonly better: number;
  readonly tasks: number;
}

/** One held-out pair, predicted by both. */
interface Row {
  readonly partner: string;
  readonly outcome: number;
  readonly before: number;
  readonly after: number;
}

/** The held-out pairs of one task in one seed. */
interface Fold {
  readonly task: string;
  readonly rows: readonly Row[];
}

/**
 * How far the gain would move with other tasks: percentile interval over resamples of the tasks, nothing fitted again.
 * A pair depends on both its tasks, and stands in the folds of both. So what is resampled is tasks, and a pair counts as
 * often as both of them were drawn together (the vertex bootstrap of Snijders and Borgatti 1999): weights on
 * the folds alone would take the two folds of a pair for independent: they cover half of what they say (8 tasks).
 * Seeds of a task are drawn together.
 *
 * @param seeds held-out predictions of the same rows, a pair of them a seed
 */
export function bootstrapGain(
  seeds: readonly { readonly before: readonly HeldOut[]; readonly after: readonly HeldOut[] }[],
  resamples: number,
): Gain {
  const folds = seeds.flatMap(({ before, after }) => foldsOf(before, after));
  const tasks = [...new Set(folds.map(({ task }) => task))];
  const once = new Map(tasks.map((task) => [task, 1]));
  const maes: number[] = [];
  const rs: number[] = [];
  for (const drawn of resampledTasks(tasks, resamples)) {
    const { mae, r } = weighted(folds, drawn);
    // a resample of a single task has no pair
    if (mae !== null) {
      maes.push(mae);
    }
    if (r !== null) {
      rs.push(r);
    }
  }
  const observed = weighted(folds, once);
  const gains = tasks.map((task) =>
    sumOf(folds.filter((fold) => fold.task === task).flatMap(({ rows }) => rows)),
  );
  return {
    mae: intervalOf(observed.mae as number, maes, tasks.length),
    r: observed.r === null || rs.length === 0 ? null : intervalOf(observed.r, rs, tasks.length),
    better: gains.filter((gain) => gain > 0).length,
    tasks: tasks.length,
  };
}

function foldsOf(before: readonly HeldOut[], after: readonly HeldOut[]): Fold[] {
  const keyOf = ({ fold, example }: HeldOut) => JSON.stringify([fold, example.id]);
  const afterwards = new Map(after.map((row) => [keyOf(row), row.predicted]));
  const folds = new Map<string, Row[]>();
  for (const row of before) {
    const { fold, example, predicted } = row;
    const rows = folds.get(fold) ?? [];
    folds.set(fold, rows);
    rows.push({
      partner: example.taskA === fold ? example.taskB : example.taskA,
      outcome: example.outcome,
      before: predicted,
      after: afterwards.get(keyOf(row)) as number,
    });
  }
  return [...folds].map(([task, rows]) => ({ task, rows }));
}

function weighted(folds: readonly Fold[], counts: ReadonlyMap<string, number>) {
  let gain = 0;
  let pairs = 0;
  let rGain = 0;
  let rFolds = 0;
  for (const { task, rows } of folds) {
    const times = counts.get(task) ?? 0;
    if (times === 0) {
      continue;
    }
    const weights = rows.map(({ partner }) => counts.get(partner) ?? 0);
    rows.forEach((row, i) => {
      gain += times * weights[i] * gainOf(row);
      pairs += times * weights[i];
    });
    const before = weightedCorrelation(rows, ({ before: predicted }) => predicted, weights);
    const after = weightedCorrelation(rows, ({ after: predicted }) => predicted, weights);
    if (before !== null && after !== null) {
      rGain += times * (after - before);
      rFolds += times;
    }
  }
  return { mae: pairs > 0 ? gain / pairs : null, r: rFolds > 0 ? rGain / rFolds : null };
}

function gainOf({ before, after, outcome }: Row): number {
  return Math.abs(before - outcome) - Math.abs(after - outcome);
}

function sumOf(rows: readonly Row[]): number {
  return rows.reduce((sum, row) => sum + gainOf(row), 0);
}

/** Pearson correlation of rows that count several times; null where fewer than 3 count or one side is constant. */
function weightedCorrelation(
  rows: readonly Row[],
  predictedOf: (row: Row) => number,
  weights: readonly number[],
): number | null {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (weights.filter((weight) => weight > 0).length < 3) {
    return null;
  }
  const meanOf = (of: (row: Row) => number) =>
    rows.reduce((sum, row, i) => sum + weights[i] * of(row), 0) / total;
  const centreP = meanOf(predictedOf);
  const centreA = meanOf(({ outcome }) => outcome);
  const cross = meanOf((row) => (predictedOf(row) - centreP) * (row.outcome - centreA));
  const squareP = meanOf((row) => (predictedOf(row) - centreP) ** 2);
  const squareA = meanOf((row) => (row.outcome - centreA) ** 2);
  const negligible = 1e-18;
  return squareP <= negligible || squareA <= negligible ? null : cross / Math.sqrt(squareP * squareA);
}
