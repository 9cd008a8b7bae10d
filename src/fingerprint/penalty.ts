import { Random } from '../tensors/index.js';
import { byFold, foldsOf, type HeldOut, type PredictorOf, rowsOf, without } from './cross-validate.js';
import type { Example } from './linear-model.js';
import { mean } from './statistics.js';

/** Prices of weights that are tried; metrics alone must say more than metrics that stand beside effects. */
export interface PenaltyGrid {
  readonly tried: readonly number[];
  readonly default: number;
}

export const METRICS_ONLY_GRID: PenaltyGrid = { tried: [0.001, 0.003, 0.006, 0.01], default: 0.003 };
export const WITH_EFFECTS_GRID: PenaltyGrid = { tried: [0.01, 0.02, 0.04, 0.08], default: 0.02 };

const GROUPS = 5;

/** Fits with a penalty on rows that lack some tasks. */
export type PenalisedPredictorOf = (penalty: number) => PredictorOf;

/** The penalty of the fit on all rows, and of those that leave a task out. */
export interface Penalties {
  readonly all: number;
  of(fold: string): number;
}

export function defaultPenalties(grid: PenaltyGrid): Penalties {
  return { all: grid.default, of: () => grid.default };
}

/** Chooses for all rows, and for every fold without having seen its rows. 20 fits a fold. */
export async function nestedPenalties(
  examples: readonly Example[],
  directed: boolean,
  grid: PenaltyGrid,
  predictorOf: PenalisedPredictorOf,
): Promise<Penalties> {
  const chosen = new Map<string | null, number>();
  const splits = [null, ...foldsOf(examples, directed)];
  await Promise.all(
    splits.map(async (fold) => {
      const rows = fold === null ? examples : without(examples, [fold]);
      const left = fold === null ? [] : [fold];
      const penalty = await choosePenalty(
        rows,
        directed,
        grid,
        (tried) => (train, group) => predictorOf(tried)(train, [...left, ...group]),
      );
      chosen.set(fold, penalty);
    }),
  );
  return { all: chosen.get(null) as number, of: (fold) => chosen.get(fold) ?? grid.default };
}

/** Fits that nestedPenalties makes. */
export function nestedPenaltyFits(
  examples: readonly Example[],
  directed: boolean,
  grid: PenaltyGrid,
): number {
  const splits = [examples, ...foldsOf(examples, directed).map((fold) => without(examples, [fold]))];
  return splits.reduce((sum, rows) => sum + grid.tried.length * groupsOf(rows, directed).length, 0);
}

/**
 * The penalty that ranks best inside tasks it has not seen: the tasks of the rows are dealt into five groups, each
 * group is left out once. Judged by the correlation inside held-out tasks, pooled, since the live task's own level
 * is unknown whatever the penalty, and its error would drown the rest. Of equals the larger one; where nothing
 * can be judged, the default. 5 x 4 fits.
 */
async function choosePenalty(
  examples: readonly Example[],
  directed: boolean,
  grid: PenaltyGrid,
  predictorOf: PenalisedPredictorOf,
): Promise<number> {
  const groups = groupsOf(examples, directed);
  const scores = await Promise.all(
    grid.tried.map(async (penalty) => {
      const heldOut = await Promise.all(
        groups.map(async (group) => {
          const predict = await predictorOf(penalty)(without(examples, group), group);
          return group.flatMap((fold) =>
            rowsOf(examples, directed, fold).map(
              (example): HeldOut => ({ fold, example, predicted: predict(example) }),
            ),
          );
        }),
      );
      return { penalty, score: pooledCorrelation(heldOut.flat()) };
    }),
  );
  let best = { penalty: grid.default, score: Number.NEGATIVE_INFINITY };
  for (const { penalty, score } of scores) {
    if (score !== null && score >= best.score) {
      best = { penalty, score };
    }
  }
  return best.penalty;
}

/** Groups of almost the same size; one that leaves nothing to fit on is no group. */
function groupsOf(examples: readonly Example[], directed: boolean): string[][] {
  const tasks = foldsOf(examples, directed);
  const order = new Random('penalty', ...tasks).permutation(tasks.length);
  const groups = Array.from({ length: Math.min(GROUPS, tasks.length) }, (): string[] => []);
  order.forEach((task, i) => {
    groups[i % groups.length].push(tasks[task]);
  });
  return groups.filter((group) => without(examples, group).length > 0);
}

/** Correlation of what is left when every fold's mean is taken off both sides; null where nothing varies. */
function pooledCorrelation(heldOut: readonly HeldOut[]): number | null {
  let cross = 0;
  let squareP = 0;
  let squareA = 0;
  for (const rows of byFold(heldOut).values()) {
    const centreP = mean(rows.map((row) => row.predicted));
    const centreA = mean(rows.map((row) => row.example.outcome));
    for (const { predicted, example } of rows) {
      cross += (predicted - centreP) * (example.outcome - centreA);
      squareP += (predicted - centreP) ** 2;
      squareA += (example.outcome - centreA) ** 2;
    }
  }
  const scale = Math.sqrt(squareP * squareA);
  return scale > 1e-15 * heldOut.length ? cross / scale : null;
}
