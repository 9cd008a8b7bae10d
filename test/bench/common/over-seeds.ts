import { deviation, mean } from '../../../src/fingerprint/statistics.js';

/** A figure of several seeds; null where no seed has it. */
export interface OverSeeds {
  readonly mean: number | null;
  /** standard deviation over the seeds; null for a single one */
  readonly spread: number | null;
}

/** Seeds without the figure do not count. */
export function overSeeds(values: readonly (number | null)[]): OverSeeds {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) {
    return { mean: null, spread: null };
  }
  const scale = Math.sqrt(known.length / Math.max(1, known.length - 1));
  return { mean: mean(known), spread: known.length > 1 ? scale * deviation(known) : null };
}

/** "91.2 ± 0.4"; "-" where no seed has it. */
export function overSeedsText({ mean, spread }: OverSeeds, scale: number, digits: number): string {
  if (mean === null) {
    return '-';
  }
  // Adding 0 turns -0 into 0.
  const text = (Number((scale * mean).toFixed(digits)) + 0).toFixed(digits);
  return spread === null ? text : `${text} ± ${(scale * spread).toFixed(digits)}`;
}
