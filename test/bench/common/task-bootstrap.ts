import { normalHalfWidth, quantile } from '../../../src/fingerprint/statistics.js';
import { Random } from '../../../src/tensors/index.js';

export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** nominal coverage of an interval over tasks */
export const TASK_LEVEL = 0.9;

/** Tasks below which resamples of them say nothing: of four, one in 64 draws has a single task. */
export const LEAST_TASKS = 5;

/**
 * How often each task was drawn, in resamples of all of them; a task that is missing was not drawn. What that makes of a pair of
 * tasks is the caller's to say.
 */
export function* resampledTasks(
  tasks: readonly string[],
  resamples: number,
): Generator<ReadonlyMap<string, number>> {
  const random = new Random('gain', tasks.length);
  for (let sample = 0; sample < resamples; sample++) {
    const drawn = new Map<string, number>();
    for (let i = 0; i < tasks.length; i++) {
      const task = tasks[random.integer(tasks.length)];
      drawn.set(task, (drawn.get(task) ?? 0) + 1);
    }
    yield drawn;
  }
}

/** Percentiles of the draws. Those of so few tasks are too near, and are moved out as a t interval is wider than a normal one. */
export function intervalOf(value: number, draws: readonly number[], tasks: number): Interval {
  const stretch = stretchOf(tasks);
  return {
    value,
    low: value - stretch * (value - quantile(draws, (1 - TASK_LEVEL) / 2)),
    high: value + stretch * (quantile(draws, (1 + TASK_LEVEL) / 2) - value),
  };
}

/** sqrt(n / (n - 1)) t / z, after Hesterberg 2015; t by the first terms of Cornish and Fisher. */
function stretchOf(tasks: number): number {
  const freedom = Math.max(1, tasks - 1);
  const z = normalHalfWidth(TASK_LEVEL);
  const t = z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
  return (Math.sqrt(tasks / freedom) * t) / z;
}
