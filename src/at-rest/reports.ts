import { type Fingerprint, type PairScore, scorePair, type Target } from '../fingerprint/index.js';
import type { PairMetrics } from '../metrics/index.js';
import type { Comparison } from './compare-models.js';
import type { ComparedPair } from './compared-pair.js';
import type { Finding } from './compatibility/index.js';
import type { Coverage } from './shared-tensors.js';

/** Metrics as JSON has them: a number, or null and in `reasons` why. */
export interface MetricsReport {
  readonly metrics: Record<string, number | null>;
  readonly reasons: Record<string, string>;
}

/** What every report says of the comparison as a whole. */
interface Common {
  readonly coverage: Coverage;
  readonly findings: readonly Finding[];
  readonly notes: readonly string[];
}

/** What `matrix --json` prints. */
export interface MatrixReport extends Common {
  readonly pairs: readonly (MetricsReport & { readonly a: string; readonly b: string })[];
}

/** What `score --json` prints. */
export interface ScoreReport extends Common {
  readonly model: string;
  readonly fingerprint: string | null;
  /** what the fingerprint predicts */
  readonly target: Target | null;
  readonly references: readonly (MetricsReport & {
    readonly reference: string;
    /** by merge method; empty without a fingerprint */
    readonly scores: readonly Omit<PairScore, 'uncorrected'>[];
  })[];
}

export function matrixReport({ pairs, coverage, findings, notes }: Comparison): MatrixReport {
  return {
    pairs: pairs.map(({ a, b, metrics }) => ({ a: a.name, b: b.name, ...metricsReport(metrics) })),
    coverage,
    findings,
    notes,
  };
}

export function scoreReport(
  { pairs, coverage, findings, notes }: Comparison,
  fingerprint: Fingerprint | null,
): ScoreReport {
  return {
    model: pairs[0]!.a.name,
    fingerprint: fingerprint?.name ?? null,
    target: fingerprint?.target ?? null,
    references: pairs.map((pair) => ({
      reference: pair.b.name,
      ...metricsReport(pair.metrics),
      scores: fingerprint === null ? [] : scores(fingerprint, pair),
    })),
    coverage,
    findings,
    notes,
  };
}

function metricsReport(computed: PairMetrics): MetricsReport {
  const metrics: Record<string, number | null> = {};
  const reasons: Record<string, string> = {};
  for (const [name, metric] of Object.entries(computed)) {
    metrics[name] = metric.value;
    if (metric.value === null) {
      reasons[name] = metric.reason;
    }
  }
  return { metrics, reasons };
}

function scores(fingerprint: Fingerprint, { b, metrics }: ComparedPair): Omit<PairScore, 'uncorrected'>[] {
  return Object.keys(fingerprint.methods).map((method) => {
    const { uncorrected: _, ...score } = scorePair(fingerprint, {
      method,
      metrics,
      reference: b.task,
      gradientKinds: { live: null, reference: null },
      selfProbe: null,
    });
    return score;
  });
}
