import type { PairMetrics, PairStatistics } from '../metrics/index.js';
import type { ModelAtRest } from './model.js';

/** Two models and every metric of them. */
export interface ComparedPair {
  readonly a: ModelAtRest;
  readonly b: ModelAtRest;
  readonly metrics: PairMetrics;
  readonly statistics: PairStatistics;
}
