import { Random } from '../tensors/index.js';
import { absoluteResiduals, byFold, grouped, type HeldOut, residuals } from './cross-validate.js';
import type { Bootstrap, Errors, Figures } from './schema.js';
import { conformalHalfWidth, correlation, mean, quantile, rootMeanSquare } from './statistics.js';

/** r: Pearson correlation inside a fold, averaged over the folds; mae over all held-out rows. */
export function figuresOf(heldOut: readonly HeldOut[]): Figures {
  return summarise([...byFold(heldOut).values()].map(foldFigures));
}

/**
 * What the held-out rows are off by, split into what a whole run has in common and the rest. A run is one held-out
 * model: a task, in a table with checkpoints a task at one of them.
 */
export function errorsOf(heldOut: readonly HeldOut[]): Errors {
  const byRun = grouped(heldOut, ({ fold, example }) => JSON.stringify([fold, example.checkpoint]));
  const runs = [...byRun.values()].map(residuals);
  const deviation = rootMeanSquare(runs.flat());
  const freedom = Math.max(1, heldOut.length - runs.length);
  const squares = runs.map((run) => {
    const centre = mean(run);
    return run.reduce((sum, residual) => sum + (residual - centre) ** 2, 0);
  });
  const within = Math.min(deviation, Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / freedom));
  return { deviation, offset: Math.sqrt(deviation ** 2 - within ** 2), within };
}

/**
 * How often an interval of the level would have held: the rows of every fold against the half-width from the
 * residuals of the rows without that task. The fits behind those residuals have seen the task, which matters
 * little for a fit of a few numbers such as the self-probe's line; for the rest there is nestedCoverage.
 */
export function coverageOf(heldOut: readonly HeldOut[], level: number): number | null {
  let inside = 0;
  let counted = 0;
  for (const [fold, rows] of byFold(heldOut)) {
    const others = heldOut.filter(({ example }) => example.taskA !== fold && example.taskB !== fold);
    if (others.length > 0) {
      const half = conformalHalfWidth(absoluteResiduals(others), level);
      inside += absoluteResiduals(rows).filter((residual) => residual <= half).length;
      counted += rows.length;
    }
  }
  return counted > 0 ? inside / counted : null;
}

/** nominal coverage of the bootstrap's intervals */
const LEVEL = 0.9;
const RESAMPLES = 1000;

/**
 * How far the figures would move with other tasks: percentile intervals over resamples of the held-out tasks, with
 * replacement. The fits are not repeated, so what is resampled is the tasks that a fit is tried on.
 *
 * @param effectsOnly of the same rows; null where there are no metrics to compare with it
 */
export function bootstrapFigures(
  full: readonly HeldOut[],
  effectsOnly: readonly HeldOut[] | null,
): Bootstrap {
  const ours = [...byFold(full)].map(([fold, rows]) => ({ fold, ...foldFigures(rows) }));
  const theirs = new Map(
    [...byFold(effectsOnly ?? [])].map(([fold, rows]) => [fold, foldFigures(rows)] as const),
  );
  const random = new Random('bootstrap', ours.length);
  const rs: number[] = [];
  const maes: number[] = [];
  const gains: number[] = [];
  for (let sample = 0; sample < RESAMPLES; sample++) {
    const drawn = ours.map(() => ours[random.integer(ours.length)]);
    const { r, mae } = summarise(drawn);
    maes.push(mae);
    if (r !== null) {
      rs.push(r);
    }
    if (effectsOnly !== null) {
      const others = drawn.flatMap(({ fold }) => theirs.get(fold) ?? []);
      gains.push(summarise(others).mae - mae);
    }
  }
  return { level: LEVEL, r: spanOf(rs), mae: spanOf(maes) as [number, number], gain: spanOf(gains) };
}

interface FoldFigures {
  readonly r: number | null;
  /** sum of the absolute residuals */
  readonly total: number;
  readonly rows: number;
}

function foldFigures(rows: readonly HeldOut[]): FoldFigures {
  return {
    r: correlation(
      rows.map((row) => row.predicted),
      rows.map((row) => row.example.outcome),
    ),
    total: absoluteResiduals(rows).reduce((sum, residual) => sum + residual, 0),
    rows: rows.length,
  };
}

function summarise(folds: readonly FoldFigures[]): Figures {
  const rs = folds.flatMap(({ r }) => (r === null ? [] : [r]));
  const rows = folds.reduce((sum, fold) => sum + fold.rows, 0);
  return {
    r: rs.length > 0 ? mean(rs) : null,
    mae: folds.reduce((sum, fold) => sum + fold.total, 0) / rows,
  };
}

function spanOf(values: readonly number[]): [number, number] | null {
  return values.length === 0 ? null : [quantile(values, (1 - LEVEL) / 2), quantile(values, (1 + LEVEL) / 2)];
}
