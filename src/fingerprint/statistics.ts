/** Small statistics over plain arrays; empty input is the caller's mistake and gives NaN. */

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Population standard deviation. */
export function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}

export function rootMeanSquare(values: readonly number[]): number {
  return Math.sqrt(mean(values.map((value) => value ** 2)));
}

/** Linear interpolation between order statistics; p in 0..1. */
export function quantile(values: readonly number[], p: number): number {
  return quantileOfSorted(Float64Array.from(values).sort(), p);
}

export function quantileOfSorted(sorted: Float64Array, p: number): number {
  const at = (sorted.length - 1) * p;
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/** Pearson correlation; null for fewer than 3 pairs or where `actual` is constant, 0 where only `predicted` is. */
export function correlation(predicted: readonly number[], actual: readonly number[]): number | null {
  const centreP = mean(predicted);
  const centreA = mean(actual);
  let cross = 0;
  let squareP = 0;
  let squareA = 0;
  for (let i = 0; i < actual.length; i++) {
    cross += (predicted[i] - centreP) * (actual[i] - centreA);
    squareP += (predicted[i] - centreP) ** 2;
    squareA += (actual[i] - centreA) ** 2;
  }
  const negligible = 1e-18 * actual.length;
  if (actual.length < 3 || squareA <= negligible) {
    return null;
  }
  return squareP <= negligible ? 0 : cross / Math.sqrt(squareP * squareA);
}

/**
 * Half-width that covers a new absolute residual with probability `level` (split conformal): the
 * ceil((n + 1) level)-th smallest, or the largest where n is too small for that.
 */
export function conformalHalfWidth(absoluteResiduals: readonly number[], level: number): number {
  const sorted = [...absoluteResiduals].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length, Math.ceil((sorted.length + 1) * level)) - 1];
}

/** Half-widths for a level, and for 80 % and 95 % in any case. */
export function intervalsOf(
  absoluteResiduals: readonly number[],
  level: number,
): { level: number; halfWidth: number }[] {
  const levels = [...new Set([level, 0.8, 0.95])].sort();
  return levels.map((each) => ({ level: each, halfWidth: conformalHalfWidth(absoluteResiduals, each) }));
}

/** z such that a standard normal lies in [-z, z] with probability `level`, by bisection. */
export function normalHalfWidth(level: number): number {
  let low = 0;
  let high = 10;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (2 * normalCdf(middle) - 1 < level) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/** Zelen and Severo 1964 (Abramowitz and Stegun 26.2.17), good to 7.5e-8. */
function normalCdf(x: number): number {
  const t = 1 / (1 + 0.2316419 * x);
  const tail =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return 1 - (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * tail;
}
