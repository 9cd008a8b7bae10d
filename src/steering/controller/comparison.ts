import { median, spreadAroundZero, theilSen } from './robust.js';
import type { Measured } from './series.js';
import { clamp } from './target-level.js';

/**
 * Two measurements of one run are of the same samples and of nearly the same model, so that they share most of their sampling
 * error: of models that agree on 19 samples in 20 about half of it, as a deviation, is between them.
 */
const UNSHARED_ERROR = 0.5;
/**
 * Share of its slope with which a trend is taken to go on: learning slows down, and a straight line promises too much (Gardner and
 * McKenzie 1985). Chosen on simulated learning curves, where steering that does nothing is mostly taken back and what helps is kept.
 */
export const DAMPED = 0.6;

/** The trend of a stretch of measurements: a robust line over the logarithm of the step, which learning curves are close to. */
export interface Trend {
  readonly slope: number;
  readonly intercept: number;
  /** standard deviation of a single value around the line */
  readonly noise: number;
  /** mean of x, and sum of squares around it */
  readonly centre: number;
  readonly width: number;
  /** largest x */
  readonly end: number;
  readonly count: number;
}

/** How a later stretch lies to what the trend of an earlier one leads to; all accuracies as fractions. */
export interface Comparison {
  readonly found: number;
  readonly expected: number;
  /** standard error of found - expected */
  readonly noise: number;
}

const place = (step: number) => Math.log(step + 1);

/** Theil-Sen line of at least one point. */
export function trendOf(points: readonly Measured[]): Trend {
  const x = points.map(({ step }) => place(step));
  const y = points.map(({ value }) => value);
  const slope = theilSen(x, y);
  const intercept = median(y.map((value, i) => value - slope * x[i]!));
  const centre = x.reduce((sum, each) => sum + each, 0) / x.length;
  const width = x.reduce((sum, each) => sum + (each - centre) ** 2, 0);
  const residuals = y.map((value, i) => value - intercept - slope * x[i]!);
  return {
    slope,
    intercept,
    noise: noiseOf(residuals, points),
    centre,
    width,
    end: x.at(-1)!,
    count: points.length,
  };
}

/** Holds points, at least one, against where an earlier trend would have gone on to, with this share of its slope. */
export function compare(trend: Trend, points: readonly Measured[], damped: number): Comparison {
  const found = median(points.map(({ value }) => value));
  const x = points.map(({ step }) => place(step));
  const centre = x.reduce((sum, each) => sum + each, 0) / x.length;
  const going = trend.end + damped * (median(x) - trend.end);
  const expected = clamp(trend.intercept + trend.slope * going);
  const residuals = points.map(({ value }, i) => value - found - damped * trend.slope * (x[i]! - median(x)));
  const own = noiseOf(residuals, points) ** 2 / points.length;
  const lever = trend.width > 0 ? (centre - trend.centre) ** 2 / trend.width : 0;
  return { found, expected, noise: Math.sqrt(own + trend.noise ** 2 * (1 / trend.count + lever)) };
}

/** The later median against the earlier one, whatever the trend. */
export function compareLevels(before: readonly Measured[], after: readonly Measured[]): Comparison {
  const expected = median(before.map(({ value }) => value));
  const found = median(after.map(({ value }) => value));
  const error = (points: readonly Measured[], middle: number) =>
    noiseOf(
      points.map(({ value }) => value - middle),
      points,
    ) / Math.sqrt(points.length);
  return { found, expected, noise: Math.hypot(error(before, expected), error(after, found)) };
}

function noiseOf(residuals: readonly number[], points: readonly Measured[]): number {
  const sampling = median(points.map(({ standardError }) => standardError));
  return Math.max(spreadAroundZero(residuals), UNSHARED_ERROR * sampling);
}
