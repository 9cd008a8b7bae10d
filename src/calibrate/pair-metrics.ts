import type { IndexPair } from '../at-rest/block-sums.js';
import { compareModels } from '../at-rest/compare-models.js';
import { type Finding, matrixReport } from '../at-rest/index.js';
import { digestOf } from './identity.js';
import type { Journal, MetricsEntry } from './journal.js';
import type { CalibrationPool } from './pool.js';

export interface PairMetricsOptions {
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** `done` of `total` parameters */
  readonly onProgress?: (done: number, total: number) => void;
  readonly onFindings?: (findings: readonly Finding[]) => void;
}

/** Metrics of a pair by name; null where they could not be computed. */
export type PairMetricValues = Readonly<Record<string, number | null>>;

/**
 * The weight metrics of every pair, in their order; those that are not in the journal are computed, all at once. They depend
 * on which tensors all models share, and so on the pool as a whole.
 * @returns metrics, and what a reader should know of them, a sentence each
 */
export async function pairMetrics(
  pool: CalibrationPool,
  pairs: readonly IndexPair[],
  journal: Journal,
  options: PairMetricsOptions,
): Promise<{ metrics: PairMetricValues[]; notes: readonly string[] }> {
  const keys = pairs.map((pair) => metricsKey(pool, pair));
  const known = (p: number) => {
    const entry = journal.get(keys[p]!);
    return entry?.kind === 'metrics' ? entry : undefined;
  };
  const missing = [...pairs.keys()].filter((p) => known(p) === undefined);
  let notes: readonly string[] = [];
  if (missing.length > 0) {
    const compared = await compareModels(
      pool.models,
      missing.map((p) => pairs[p]!),
      { base: pool.base, heads: pool.heads, ...options },
    );
    notes = compared.notes;
    const report = matrixReport(compared);
    for (const [at, p] of missing.entries()) {
      const { metrics, reasons } = report.pairs[at]!;
      const [a, b] = pairs[p]!.map((model) => pool.models[model]!.name) as [string, string];
      const time = new Date().toISOString();
      await journal.add({ kind: 'metrics', key: keys[p]!, time, a, b, metrics, reasons });
    }
  }
  return { metrics: keys.map((_, p) => (known(p) as MetricsEntry).metrics), notes };
}

function metricsKey({ baseIdentity, models, heads }: CalibrationPool, [a, b]: IndexPair): string {
  const all = models.map(({ identity }) => identity).sort();
  return digestOf(['metrics', 1, baseIdentity, models[a]!.identity, models[b]!.identity, all, heads]);
}
