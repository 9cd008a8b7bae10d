import type { Interval } from './schema.js';
import { normalHalfWidth } from './statistics.js';
import { HIGHEST_ACCURACY } from './table.js';

/** @throws Error where there is none of the level, which no file that was loaded lacks */
export function halfWidthOf(intervals: readonly Interval[], level: number): number {
  const interval = intervals.find((each) => each.level === level);
  if (interval === undefined) {
    throw new Error(`the fingerprint has no interval of its own level ${level}`);
  }
  return interval.halfWidth;
}

const normals = new Map<number, number>();

/** normalHalfWidth of the same few levels, thousands of times a run. */
export function normalFor(level: number): number {
  let width = normals.get(level);
  if (width === undefined) {
    width = normalHalfWidth(level);
    normals.set(level, width);
  }
  return width;
}

/** An accuracy cut to 0..1.2, the range that outcomes of a table may have. */
export function cut(accuracy: number): number {
  return Math.min(HIGHEST_ACCURACY, Math.max(0, accuracy));
}
