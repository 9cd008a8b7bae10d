import { mean } from '../../../src/fingerprint/statistics.js';
import { type OverSeeds, overSeeds } from '../common/over-seeds.js';
import { type Interval, intervalOf, resampledTasks } from '../common/task-bootstrap.js';
import { allMean, onceEach, pairMean, singleMean, type TaskCounts } from './pool-means.js';
import type { PoolResult } from './steer-table.js';

/** The two pools of one seed that are compared. */
export interface Compared {
  readonly steered: PoolResult;
  readonly control: PoolResult;
}

/** A figure with an interval over tasks, seeds of a task drawn together, and its spread over seeds; null where it can't be computed. */
export type Figure = Interval & { readonly spread: OverSeeds['spread'] };

/** What steering does to a pool, against a control. Fractions, not points. */
export interface GapFigures {
  /**
   * share of the gap between the control's models alone and its merged pairs that the steered pairs make up for; null where the control
   * has no gap
   */
  readonly gapClosed: Figure | null;
  /** accuracy of merged pairs, steered minus control */
  readonly pairs: Figure;
  /** accuracy of models alone, steered minus control */
  readonly single: Figure;
  /** accuracy of all models in one, steered minus control */
  readonly all: Figure;
}

type Statistic = (seeds: readonly Compared[], counts: TaskCounts) => number | null;

/**
 * @param seeds one pair of pools a seed, of the same tasks
 * @param methods whose mean is taken
 */
export function gapFigures(
  seeds: readonly Compared[],
  methods: readonly string[],
  resamples: number,
): GapFigures {
  const tasks = Object.keys(seeds[0]!.control.single);
  const difference =
    (of: (result: PoolResult, counts: TaskCounts) => number | null): Statistic =>
    (some, counts) =>
      meanOver(some, ({ steered, control }) => minus(of(steered, counts), of(control, counts)));
  const pairs = difference((result, counts) => pairMean(result, methods, counts));
  const gap: Statistic = (some, counts) =>
    meanOver(some, ({ control }) => minus(singleMean(control, counts), pairMean(control, methods, counts)));
  const closed: Statistic = (some, counts) => {
    const whole = gap(some, counts);
    const made = pairs(some, counts);
    return whole === null || made === null || whole <= 0 ? null : made / whole;
  };
  const figure = (statistic: Statistic) => figureOf(statistic, seeds, tasks, resamples);
  return {
    gapClosed: figure(closed),
    pairs: figure(pairs)!,
    single: figure(difference(singleMean))!,
    all: figure(difference((result, counts) => allMean(result, methods, counts)))!,
  };
}

function figureOf(
  statistic: Statistic,
  seeds: readonly Compared[],
  tasks: readonly string[],
  resamples: number,
): Figure | null {
  const once = onceEach(tasks);
  const value = statistic(seeds, once);
  if (value === null) {
    return null;
  }
  const draws = [...resampledTasks(tasks, resamples)].flatMap((counts) => statistic(seeds, counts) ?? []);
  const { spread } = overSeeds(seeds.map((seed) => statistic([seed], once)));
  return { ...intervalOf(value, draws, tasks.length), spread };
}

/** null where one of them is. */
function meanOver(seeds: readonly Compared[], of: (seed: Compared) => number | null): number | null {
  const values = seeds.map(of);
  return values.some((value) => value === null) ? null : mean(values as number[]);
}

function minus(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a - b;
}
