import type { IndexPair } from '../at-rest/block-sums.js';
import type { Journal } from './journal.js';
import type { MetricsOptions } from './metrics-options.js';
import type { CalibrationPool } from './pool.js';
import { weightMetrics } from './weight-metrics.js';

/** Metrics of a pair by name; null where they could not be computed. */
export type PairMetricValues = Readonly<Record<string, number | null>>;

export interface PairMetrics {
  /** in the order of the pairs */
  readonly metrics: readonly PairMetricValues[];
  /** what a reader of them should know, a sentence each */
  readonly notes: readonly string[];
}

/**
 * The metrics of every pair, from the journal where it holds them: the weight metrics of any models; of models of the zoo all
 * that a guard measures, where that could be done.
 */
export async function pairMetrics(
  pool: CalibrationPool,
  pairs: readonly IndexPair[],
  journal: Journal,
  options: MetricsOptions,
): Promise<PairMetrics> {
  const { zoo } = pool.evaluate;
  const keys = await weightMetrics(pool, pairs, journal, options);
  const notes: string[] = [];
  if (zoo !== undefined) {
    // With it comes tfjs, which no other pool needs.
    const { zooMetrics } = await import('./zoo-metrics.js');
    const measured = await zooMetrics(pool, zoo, pairs, journal, options);
    notes.push(...measured.notes);
    for (const [p, key] of measured.keys.entries()) {
      keys[p] = key ?? keys[p]!;
    }
  }
  const entries = keys.map((key) => journal.metrics(key)!);
  notes.push(...entries.flatMap((entry) => entry.notes ?? []));
  return { metrics: entries.map(({ metrics }) => metrics), notes: [...new Set(notes)] };
}
