/** Of values that need not be sorted; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** What makes the median absolute deviation of a normal distribution its standard deviation. */
const NORMAL = 1.4826;

/** Spread of values around 0, as a standard deviation: robust against a few odd ones. 0 of none. */
export function spreadAroundZero(values: readonly number[]): number {
  return values.length === 0 ? 0 : NORMAL * median(values.map(Math.abs));
}

/** Median of (y[j] - y[i]) / (x[j] - x[i]) over all pairs with different x; 0 where there is none. O(n² log n). */
export function theilSen(x: readonly number[], y: readonly number[]): number {
  const slopes: number[] = [];
  for (let i = 0; i < x.length; i++) {
    for (let j = i + 1; j < x.length; j++) {
      const run = x[j]! - x[i]!;
      if (run !== 0) {
        slopes.push((y[j]! - y[i]!) / run);
      }
    }
  }
  return slopes.length === 0 ? 0 : median(slopes);
}
