import { PlainSums } from './plain-sums.js';
import type { SumSources, TickSums } from './tick-sums.js';

export * from './tick-sums.js';

/** The fastest way that the active backend has. */
export function tickSums(sources: SumSources): TickSums {
  return new PlainSums(sources);
}
