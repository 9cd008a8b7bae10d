import { applyTau } from '../../../src/merging/index.js';
import { hookMetrics as measured } from '../../../src/zoo/hook-metrics.js';
import type { Zoo, ZooModel } from './open-zoo.js';
import type { ZooPair } from './zoo-table.js';

/** The 28 metrics of one model of the pool against others, by name. */
export async function hookMetrics(
  { base }: Zoo,
  { task, reference, head }: ZooModel,
  partners: readonly ZooModel[],
): Promise<Record<string, ZooPair['metrics']>> {
  const live = { task, encoder: applyTau(base, reference.tau), head };
  const pairs = await measured(
    base,
    live,
    partners.map((partner) => partner.reference),
  );
  return Object.fromEntries(partners.map(({ name }, index) => [name, pairs[index]!.metrics]));
}
