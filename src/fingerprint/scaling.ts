import { deviation, quantileOfSorted } from './statistics.js';

/** Scaled values are clipped to +- this: one wild pair must not carry a weight. */
export const CLIP = 3;

export interface Scaling {
  /** median over the fit rows */
  readonly center: number;
  /** interquartile range; where that is 0 though the values differ, their standard deviation */
  readonly scale: number;
  /**
   * domain: the 1st and 99th percentile of the fit rows, each moved out by a tenth of the distance between
   * them. Percentiles, since the extremes of a few dozen rows say little; moved out, since a new model of the
   * same kind often lies a little past them.
   */
  readonly low: number;
  readonly high: number;
}

/** null where the column is constant and can't be scaled. */
export function fitScaling(values: readonly number[]): Scaling | null {
  const sorted = Float64Array.from(values).sort();
  const smallest = sorted[0];
  const largest = sorted[sorted.length - 1];
  if (largest - smallest <= 1e-12 * Math.max(Math.abs(smallest), Math.abs(largest))) {
    return null;
  }
  const p1 = quantileOfSorted(sorted, 0.01);
  const p99 = quantileOfSorted(sorted, 0.99);
  const margin = (p99 - p1) / 10;
  const range = quantileOfSorted(sorted, 0.75) - quantileOfSorted(sorted, 0.25);
  return {
    center: quantileOfSorted(sorted, 0.5),
    scale: range > 0 ? range : deviation(values),
    low: p1 - margin,
    high: p99 + margin,
  };
}

export function applyScaling(scaling: Pick<Scaling, 'center' | 'scale'>, value: number): number {
  return Math.min(CLIP, Math.max(-CLIP, (value - scaling.center) / scaling.scale));
}
