import type { IndexPair } from '../at-rest/block-sums.js';
import { openBackend } from '../backend/index.js';
import { FEATURE_GROUPS } from '../fingerprint/index.js';
import { applyTau } from '../merging/index.js';
import type { Reference } from '../reference/index.js';
import { MergeguardError, someOf } from '../tensors/index.js';
import { type HookMetrics, hookMetrics } from '../zoo/hook-metrics.js';
import type { TaskSource } from '../zoo/index.js';
import { digestOf } from './identity.js';
import type { Journal } from './journal.js';
import type { MetricsEntry } from './journal-entry.js';
import type { MetricsOptions } from './metrics-options.js';
import { oneLine } from './one-line.js';
import type { CalibrationPool } from './pool.js';
import { openZooModels, type ZooModel, type ZooModels } from './zoo-models.js';

/** Raised when a guard comes to measure the same pair otherwise, so that what a journal holds does not count. */
const VERSION = 2;

export interface ZooMetrics {
  /** of the pairs, in the journal; null where a pair's could not be measured */
  readonly keys: readonly (string | null)[];
  /** why they could not, and what of them is null, a sentence each */
  readonly notes: readonly string[];
}

/**
 * All metrics of pairs of zoo models as a guard measures them, the first of a pair as the live model at the end of its training.
 * Those that are not in the journal are measured, one live model after the other.
 */
export async function zooMetrics(
  pool: CalibrationPool,
  source: TaskSource,
  pairs: readonly IndexPair[],
  journal: Journal,
  { signal, onProgress }: Pick<MetricsOptions, 'signal' | 'onProgress'>,
): Promise<ZooMetrics> {
  const zoo = await openZooModels(pool, source);
  const keys = pairs.map(([a, b]) => keyOf(pool, zoo.models[a]!, a, b));
  const isMissing = (p: number) => journal.metrics(keys[p]!) === undefined;
  const missing = [...pairs.keys()].filter(isMissing);
  const notes: string[] = [];
  if (missing.length > 0) {
    // The one that evaluates in the zoo's threads, wherever this runs.
    await openBackend('wasm');
  }
  let done = 0;
  for (const live of new Set(missing.map((p) => pairs[p]![0]))) {
    signal?.throwIfAborted();
    const its = missing.filter((p) => pairs[p]![0] === live);
    const partners = its.map((p) => pairs[p]![1]);
    const a = pool.models[live]!.name;
    const names = partners.map((at) => pool.models[at]!.name);
    const measured = await measure(
      zoo,
      live,
      partners.map((at, index) => ({ ...zoo.models[at]!.reference, name: names[index]! })),
    );
    if (typeof measured === 'string') {
      notes.push(
        `of ${a} with ${someOf(names, 4)} only the weight metrics are known: a guard beside ${a} could not measure (${measured})`,
      );
    } else {
      for (const [index, metrics] of measured.entries()) {
        const time = new Date().toISOString();
        await journal.add({
          kind: 'metrics',
          key: keys[its[index]!]!,
          time,
          a,
          b: names[index]!,
          ...metrics,
        });
      }
    }
    done += its.length;
    onProgress?.('metrics through the hook', done, missing.length);
  }
  const entries = keys.flatMap((key) => journal.metrics(key) ?? []);
  return {
    keys: keys.map((key, p) => (isMissing(p) ? null : key)),
    notes: [...notes, ...nullNotes(entries)],
  };
}

/** In the order of the references, which have the pool's names: several may be of one task. A text says why it could not be done. */
async function measure(
  { base, models }: ZooModels,
  live: number,
  references: readonly Reference[],
): Promise<HookMetrics[] | string> {
  const { tau, task, head } = models[live]!;
  try {
    const measured = await hookMetrics(base, { task, encoder: applyTau(base, tau), head }, references);
    return measured.map((metrics, at) => withoutOtherGradients(metrics, references[at]!));
  } catch (error) {
    if (!(error instanceof MergeguardError)) {
      throw error;
    }
    return oneLine(error.message);
  }
}

/**
 * The live model's gradient is one over calibration samples, and so the fingerprint says of both: metrics with another kind
 * of gradient would not be what it says.
 */
function withoutOtherGradients(
  { metrics, reasons }: HookMetrics,
  { name, gradientRecipe }: Reference,
): HookMetrics {
  if (gradientRecipe === null || gradientRecipe.kind === 'calibration') {
    return { metrics, reasons };
  }
  const reason =
    `the gradient of reference ${name} is of the kind ${gradientRecipe.kind}, ` +
    'and a fingerprint of a zoo pool is fitted on the kind calibration';
  const gradients = FEATURE_GROUPS.gradients;
  return {
    metrics: { ...metrics, ...Object.fromEntries(gradients.map((metric) => [metric, null])) },
    reasons: { ...reasons, ...Object.fromEntries(gradients.map((metric) => [metric, reason])) },
  };
}

/** A sentence for each reason why metrics of some pairs are null. */
function nullNotes(entries: readonly MetricsEntry[]): string[] {
  const byReason = new Map<string, { metrics: Set<string>; pairs: Set<string> }>();
  for (const { a, b, metrics, reasons } of entries) {
    for (const metric of Object.keys(metrics).filter((name) => metrics[name] === null)) {
      const reason = reasons[metric]!;
      const found = byReason.get(reason) ?? { metrics: new Set(), pairs: new Set() };
      found.metrics.add(metric);
      found.pairs.add(`${a} + ${b}`);
      byReason.set(reason, found);
    }
  }
  return [...byReason].map(
    ([reason, { metrics, pairs }]) =>
      `${someOf([...metrics], 3)} of ${someOf([...pairs], 3)} are not known: ${reason}`,
  );
}

function keyOf(
  { baseIdentity, models }: CalibrationPool,
  { samples }: ZooModel,
  a: number,
  b: number,
): string {
  return digestOf([
    'metrics through the hook',
    VERSION,
    baseIdentity,
    models[a]!.identity,
    models[b]!.identity,
    samples,
  ]);
}
