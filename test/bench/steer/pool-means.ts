import { mean } from '../../../src/fingerprint/statistics.js';
import type { MergeResult, PoolResult } from './steer-table.js';

/** How often each task counts; a pair counts as often as both its tasks together. Missing: not at all. */
export type TaskCounts = ReadonlyMap<string, number>;

export function onceEach(tasks: readonly string[]): TaskCounts {
  return new Map(tasks.map((task) => [task, 1]));
}

/** Mean accuracy of the models alone, a fraction; null where no task counts. */
export function singleMean({ single }: PoolResult, counts: TaskCounts): number | null {
  return weightedMean(Object.entries(single).map(([task, accuracy]) => [accuracy, countOf(counts, task)]));
}

/** Mean accuracy of merged pairs over the methods, both tasks alike; null where no pair counts. */
export function pairMean(
  { pairs }: PoolResult,
  methods: readonly string[],
  counts: TaskCounts,
): number | null {
  return weightedMean(
    pairs.map(({ a, b, merges }) => [
      mean(methods.map((method) => taskMean(merges[method]!, [a, b]))),
      countOf(counts, a) * countOf(counts, b),
    ]),
  );
}

/** Mean accuracy of the models alone over the same pairs, each counting as its pair does: what `pairMean` would be if merging cost nothing. */
export function singleOfPairsMean({ pairs, single }: PoolResult, counts: TaskCounts): number | null {
  return weightedMean(
    pairs.map(({ a, b }) => [(single[a]! + single[b]!) / 2, countOf(counts, a) * countOf(counts, b)]),
  );
}

/** Mean accuracy over its tasks of all models in one, over the methods; null where no task counts. */
export function allMean({ all }: PoolResult, methods: readonly string[], counts: TaskCounts): number | null {
  return weightedMean(
    [...counts].map(([task, count]) => [mean(methods.map((method) => all[method]!.accuracy[task]!)), count]),
  );
}

export function taskMean({ accuracy }: MergeResult, tasks: readonly string[]): number {
  return mean(tasks.map((task) => accuracy[task]!));
}

function countOf(counts: TaskCounts, task: string): number {
  return counts.get(task) ?? 0;
}

function weightedMean(values: readonly (readonly [value: number, weight: number])[]): number | null {
  const total = values.reduce((sum, [, weight]) => sum + weight, 0);
  return total === 0 ? null : values.reduce((sum, [value, weight]) => sum + value * weight, 0) / total;
}
