import type { Example } from './linear-model.js';
import { conformalHalfWidth, correlation, mean } from './statistics.js';

/** A held-out row: predicted by a model that never saw a row with `fold`. */
export interface HeldOut {
  /** the task that was left out */
  readonly fold: string;
  readonly example: Example;
  readonly predicted: number;
}

/**
 * Leave one task out: for every task, fits on the rows without it and predicts the rows with it. In a directed
 * table only rows with the task on the live side are predicted: there the live task is the unknown one.
 *
 * @param predictorOf gives the predictor of one fold
 */
export async function leaveOneTaskOut(
  examples: readonly Example[],
  directed: boolean,
  predictorOf: (train: readonly Example[], fold: string) => Promise<(example: Example) => number>,
): Promise<HeldOut[]> {
  const folds = await Promise.all(
    foldsOf(examples, directed).map(async (fold) => {
      const predict = await predictorOf(
        examples.filter(({ taskA, taskB }) => taskA !== fold && taskB !== fold),
        fold,
      );
      return examples
        .filter(({ taskA, taskB }) => taskA === fold || (!directed && taskB === fold))
        .map((example) => ({ fold, example, predicted: predict(example) }));
    }),
  );
  return folds.flat();
}

export function foldsOf(examples: readonly Example[], directed: boolean): string[] {
  return [...new Set(examples.flatMap(({ taskA, taskB }) => (directed ? [taskA] : [taskA, taskB])))];
}

export interface Figures {
  /** Pearson correlation inside a fold, averaged over the folds; null where no fold allows one */
  readonly r: number | null;
  /** mean absolute error, in units of the outcome */
  readonly mae: number;
}

export function figuresOf(heldOut: readonly HeldOut[]): Figures {
  const inFold: number[] = [];
  for (const rows of byFold(heldOut).values()) {
    const r = correlation(
      rows.map((row) => row.predicted),
      rows.map((row) => row.example.outcome),
    );
    if (r !== null) {
      inFold.push(r);
    }
  }
  return { r: inFold.length > 0 ? mean(inFold) : null, mae: mean(absoluteResiduals(heldOut)) };
}

/**
 * How often an interval would have held: the rows of a fold against a half-width taken from the residuals of
 * the rows without that task. (The fits behind those have seen the task; leaving out two tasks at a time would
 * be exact and costs a program for every pair of tasks.)
 */
export function coverageOf(heldOut: readonly HeldOut[], level: number): number | null {
  let inside = 0;
  let counted = 0;
  for (const [fold, rows] of byFold(heldOut)) {
    const others = heldOut.filter(({ example }) => example.taskA !== fold && example.taskB !== fold);
    if (others.length === 0) {
      continue;
    }
    const half = conformalHalfWidth(absoluteResiduals(others), level);
    inside += absoluteResiduals(rows).filter((residual) => residual <= half).length;
    counted += rows.length;
  }
  return counted > 0 ? inside / counted : null;
}

export function residuals(heldOut: readonly HeldOut[]): number[] {
  return heldOut.map(({ predicted, example }) => predicted - example.outcome);
}

export function absoluteResiduals(heldOut: readonly HeldOut[]): number[] {
  return residuals(heldOut).map(Math.abs);
}

function byFold(heldOut: readonly HeldOut[]): Map<string, HeldOut[]> {
  const folds = new Map<string, HeldOut[]>();
  for (const row of heldOut) {
    const rows = folds.get(row.fold);
    if (rows === undefined) {
      folds.set(row.fold, [row]);
    } else {
      rows.push(row);
    }
  }
  return folds;
}
