import { quantile } from '../../../src/fingerprint/statistics.js';
import { Random } from '../../../src/tensors/index.js';

/** Of guarded over plain time, with the percentiles of resampled pairs of blocks. */
export interface Ratio {
  readonly value: number;
  /** null for fewer than LEAST_PAIRS */
  readonly interval: readonly [low: number, high: number] | null;
}

export const LEVEL = 0.95;
/** Pairs below which resamples say nothing. */
const LEAST_PAIRS = 5;
const RESAMPLES = 2000;

/** Sum over sum, blocks of equally many steps; @param plain [pairs] @param guarded [pairs], measured beside them */
export function ratioOf(plain: readonly number[], guarded: readonly number[]): Ratio {
  const pairs = plain.length;
  const over = (pair: (at: number) => number) => {
    let [numerator, denominator] = [0, 0];
    for (let at = 0; at < pairs; at++) {
      const drawn = pair(at);
      numerator += guarded[drawn];
      denominator += plain[drawn];
    }
    return numerator / denominator;
  };
  const value = over((at) => at);
  if (pairs < LEAST_PAIRS) {
    return { value, interval: null };
  }
  const random = new Random('block ratio', pairs);
  const draws = Array.from({ length: RESAMPLES }, () => over(() => random.integer(pairs)));
  return { value, interval: [quantile(draws, (1 - LEVEL) / 2), quantile(draws, (1 + LEVEL) / 2)] };
}
