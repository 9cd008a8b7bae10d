import type { PairStatistics, Part } from './pair-statistics.js';

/** A number, or null with the reason why it could not be computed. */
export type MetricValue = { readonly value: number } | { readonly value: null; readonly reason: string };

export type MetricFamily = 'task_vector' | 'effective_rank' | 'subspace' | 'gradient' | 'activation';

/** One of the 28 pairwise metrics of arXiv 2601.22285. */
export interface Metric {
  readonly name: string;
  readonly family: MetricFamily;
  /** the parts of PairStatistics it reads beside the task-vector numbers, which are always there */
  readonly needs: readonly Part[];
  readonly lane: 'fast' | 'slow';
  /** smallest and largest possible value; null where unbounded */
  readonly range: readonly [number | null, number | null];
  /** which direction the study associates with merges that go well; `none` where it is not clear */
  readonly better: 'higher' | 'lower' | 'none';
  /** one sentence for people */
  readonly meaning: string;
  /** paper and section or table */
  readonly source: string;
  /** O(T); pure */
  compute(statistics: PairStatistics, reference: number): MetricValue;
}

/** Every metric of one pair by name. */
export type PairMetrics = Readonly<Record<string, MetricValue>>;
