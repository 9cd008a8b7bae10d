import { mean } from '../../../src/fingerprint/statistics.js';
import type { MergeResult, PoolResult } from './steer-table.js';

/** How often each task counts. Missing: not at all. */
export type TaskCounts = ReadonlyMap<string, number>;

export function onceEach(tasks: readonly string[]): TaskCounts {
  return new Map(tasks.map((task) => [task, 1]));
}

/** Mean accuracy of the models alone, a fraction; null where no task counts. */
export function singleMean({ single }: PoolResult, counts: TaskCounts): number | null {
  return weightedMean(Object.entries(single).map(([task, accuracy]) => [accuracy, countOf(counts, task)]));
}

/**
 * Mean accuracy of merged pairs over the methods, both tasks alike; null where no pair counts. A task counts by its own side: as often as it
 * was drawn, with the mean over its partners, each as often as they were. To count pairs by the product of both would give a task that was
 * drawn twice less than two shares, since it has no pair with itself, and intervals too narrow: of six tasks 80 % where they say 90 %.
 */
export function pairMean(
  { single, pairs }: PoolResult,
  methods: readonly string[],
  counts: TaskCounts,
): number | null {
  return weightedMean(
    Object.keys(single).flatMap((task) => {
      const side = weightedMean(
        pairs
          .filter(({ a, b }) => a === task || b === task)
          .map(({ a, b, merges }) => [
            mean(methods.map((method) => merges[method]!.accuracy[task]!)),
            countOf(counts, a === task ? b : a),
          ]),
      );
      return side === null ? [] : [[side, countOf(counts, task)] as const];
    }),
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
