import type { IndexPair } from '../at-rest/block-sums.js';
import { compareModels } from '../at-rest/compare-models.js';
import { matrixReport } from '../at-rest/index.js';
import { digestOf } from './identity.js';
import type { Journal } from './journal.js';
import type { MetricsOptions } from './metrics-options.js';
import type { CalibrationPool } from './pool.js';

/**
 * The weight metrics of every pair; those that are not in the journal are computed, all at once. They depend on which tensors all
 * models share, and so on the pool as a whole.
 * @returns the pairs' keys in the journal, which holds them all then
 */
export async function weightMetrics(
  pool: CalibrationPool,
  pairs: readonly IndexPair[],
  journal: Journal,
  { onProgress, ...options }: MetricsOptions,
): Promise<string[]> {
  const keys = pairs.map((pair) => metricsKey(pool, pair));
  const missing = [...pairs.keys()].filter((p) => journal.metrics(keys[p]!) === undefined);
  if (missing.length > 0) {
    const compared = await compareModels(
      pool.models,
      missing.map((p) => pairs[p]!),
      {
        base: pool.base,
        heads: pool.heads,
        onProgress: (done, total) => onProgress?.('weight metrics', done, total),
        ...options,
      },
    );
    const { pairs: found, notes } = matrixReport(compared);
    for (const [at, p] of missing.entries()) {
      const { metrics, reasons } = found[at]!;
      const [a, b] = pairs[p]!.map((model) => pool.models[model]!.name) as [string, string];
      const time = new Date().toISOString();
      await journal.add({ kind: 'metrics', key: keys[p]!, time, a, b, metrics, reasons, notes });
    }
  }
  return keys;
}

function metricsKey({ baseIdentity, models, heads }: CalibrationPool, [a, b]: IndexPair): string {
  const all = models.map(({ identity }) => identity).sort();
  return digestOf(['metrics', 1, baseIdentity, models[a]!.identity, models[b]!.identity, all, heads]);
}
