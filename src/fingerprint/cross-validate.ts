import type { Example } from './linear-model.js';
import { conformalHalfWidth } from './statistics.js';

/** A held-out row: predicted by a model that never saw a row with `fold`. */
export interface HeldOut {
  /** the task that was left out */
  readonly fold: string;
  readonly example: Example;
  readonly predicted: number;
}

/** Fits on rows and gives the predictor; `without` says which tasks the rows lack. */
export type PredictorOf = (
  train: readonly Example[],
  without: readonly string[],
) => Promise<(example: Example) => number>;

/**
 * Leave one task out: for every task, fits on the rows without it and predicts the rows with it. In a directed
 * table only rows with the task on the live side are predicted: there the live task is the unknown one.
 */
export async function leaveOneTaskOut(
  examples: readonly Example[],
  directed: boolean,
  predictorOf: PredictorOf,
  folds = foldsOf(examples, directed),
): Promise<HeldOut[]> {
  const heldOut = await Promise.all(
    folds.map(async (fold) => {
      const predict = await predictorOf(without(examples, [fold]), [fold]);
      return rowsOf(examples, directed, fold).map((example) => ({
        fold,
        example,
        predicted: predict(example),
      }));
    }),
  );
  return heldOut.flat();
}

export function foldsOf(examples: readonly Example[], directed: boolean): string[] {
  return [...new Set(examples.flatMap(({ taskA, taskB }) => (directed ? [taskA] : [taskA, taskB])))];
}

/** Folds that leave something to fit on, for the splits inside a training fold, which may be small. */
export function innerFolds(examples: readonly Example[], directed: boolean): string[] {
  return foldsOf(examples, directed).filter((fold) => without(examples, [fold]).length > 0);
}

/** Rows that have none of the tasks on either side. */
export function without(examples: readonly Example[], tasks: readonly string[]): Example[] {
  return examples.filter(({ taskA, taskB }) => !tasks.includes(taskA) && !tasks.includes(taskB));
}

/** Rows that the fold predicts. */
export function rowsOf(examples: readonly Example[], directed: boolean, fold: string): Example[] {
  return examples.filter(({ taskA, taskB }) => taskA === fold || (!directed && taskB === fold));
}

/**
 * How often an interval of the level would have held: the rows of every fold against the half-width that
 * leaving one task out gives among the other tasks, so that neither the fits nor the residuals behind an
 * interval have seen the task that it is tried on. T (T - 1) fits for T tasks.
 *
 * @returns null where no fold leaves enough to fit on
 */
export async function nestedCoverage(
  heldOut: readonly HeldOut[],
  examples: readonly Example[],
  directed: boolean,
  level: number,
  predictorOf: PredictorOf,
): Promise<number | null> {
  const folds = await Promise.all(
    foldsOf(examples, directed).map(async (fold) => {
      const others = without(examples, [fold]);
      const inner = await leaveOneTaskOut(
        others,
        directed,
        (train, [task]) => predictorOf(train, [fold, task]),
        innerFolds(others, directed),
      );
      const rows = absoluteResiduals(heldOut.filter((row) => row.fold === fold));
      if (inner.length === 0) {
        return { inside: 0, counted: 0 };
      }
      const half = conformalHalfWidth(absoluteResiduals(inner), level);
      return { inside: rows.filter((residual) => residual <= half).length, counted: rows.length };
    }),
  );
  const counted = folds.reduce((sum, fold) => sum + fold.counted, 0);
  return counted > 0 ? folds.reduce((sum, fold) => sum + fold.inside, 0) / counted : null;
}

/** Fits that nestedCoverage makes. */
export function nestedFits(examples: readonly Example[], directed: boolean): number {
  return foldsOf(examples, directed).reduce(
    (sum, fold) => sum + innerFolds(without(examples, [fold]), directed).length,
    0,
  );
}

export function residuals(heldOut: readonly HeldOut[]): number[] {
  return heldOut.map(({ predicted, example }) => predicted - example.outcome);
}

export function absoluteResiduals(heldOut: readonly HeldOut[]): number[] {
  return residuals(heldOut).map(Math.abs);
}

export function byFold(heldOut: readonly HeldOut[]): Map<string, HeldOut[]> {
  return grouped(heldOut, ({ fold }) => fold);
}

export function grouped(
  heldOut: readonly HeldOut[],
  keyOf: (row: HeldOut) => string,
): Map<string, HeldOut[]> {
  const groups = new Map<string, HeldOut[]>();
  for (const row of heldOut) {
    const key = keyOf(row);
    const rows = groups.get(key);
    if (rows === undefined) {
      groups.set(key, [row]);
    } else {
      rows.push(row);
    }
  }
  return groups;
}
