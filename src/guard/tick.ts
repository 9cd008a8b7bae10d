import { type Fingerprint, scoreGroup, scorePair } from '../fingerprint/index.js';
import {
  computePairMetrics,
  METRICS,
  type PairMetrics,
  type PairStatistics,
  SIDE,
  SIDE_WIDTH,
} from '../metrics/index.js';
import { messageOf } from '../tensors/errors.js';
import type { Failure } from './alerts.js';
import type { PairReport, PoolScore, Score, TickEvent } from './events.js';
import type { RunProbes } from './run-probes.js';
import type { Observation } from './types.js';

/** What a run's ticks are made with. */
export interface TickContext {
  readonly run: string;
  readonly fingerprint: Fingerprint | null;
  /** methods to score, all of them in the fingerprint */
  readonly methods: readonly string[];
  /** merge probes so far, which correct the scores */
  readonly probes: RunProbes;
}

/**
 * The tick event of one observation: every metric of every pair, and a score for every method. A pair whose
 * metrics or scores can't be computed is still in it, with nulls and the reason, and is told in `failures`.
 * Numbers that are not finite become null.
 * @param dropped what was lost since the tick before
 */
export function buildTick(
  { statistics, cost }: Observation,
  dropped: TickEvent['dropped'],
  context: TickContext,
): { tick: TickEvent; failures: Failure[] } {
  const failures: Failure[] = [];
  const pairs = statistics.references.map((_, r) => pairReport(statistics, r, context, failures));
  const tick: TickEvent = {
    event: 'tick',
    run: context.run,
    time: statistics.time,
    step: statistics.step,
    pairs,
    ages: agesOf(statistics, pairs),
    pool: poolScores(pairs, context, failures),
    live: {
      tauNorm: liveNorm(statistics, SIDE.tauNorm),
      gradientNorm: liveNorm(statistics, SIDE.gradientNorm),
    },
    selfProbe: usableProbe(statistics),
    cost: {
      stepMs: finite(cost.stepMs),
      foldMs: finite(cost.foldMs),
      tickMs: finite(cost.tickMs),
      probeMs: finite(cost.probeMs),
      slowMs: finite(cost.slowMs),
      functionalMs: finite(cost.functionalMs),
      ...(cost.mergeMs !== undefined && { mergeMs: finite(cost.mergeMs) }),
      termMs: finite(cost.termMs),
      ...(cost.steering !== undefined && { steering: finite(cost.steering) }),
      overhead: finite(cost.overhead),
      every: finite(cost.every),
    },
    dropped,
  };
  return { tick, failures };
}

function pairReport(
  statistics: PairStatistics,
  index: number,
  { fingerprint, methods, probes }: TickContext,
  failures: Failure[],
): PairReport {
  const reference = statistics.references[index]!;
  let computed: PairMetrics;
  try {
    computed = computePairMetrics(statistics, index);
  } catch (error) {
    const message = `metrics: ${messageOf(error)}`;
    failures.push({ reference, message });
    computed = Object.fromEntries(METRICS.map(({ name }) => [name, { value: null, reason: message }]));
  }

  const metrics: Record<string, number | null> = {};
  const reasons: Record<string, string> = {};
  for (const [name, metric] of Object.entries(computed)) {
    metrics[name] = finite(metric.value);
    if (metric.value === null) {
      reasons[name] = metric.reason;
    } else if (metrics[name] === null) {
      reasons[name] = `not a finite number (${metric.value})`;
    }
  }

  const scores: Score[] = [];
  if (fingerprint !== null) {
    for (const method of methods) {
      scores.push(score(fingerprint, probes, method, statistics, index, computed, failures));
    }
  }
  const at = statistics.turns?.measuredAt[index];
  return {
    reference,
    metrics,
    reasons,
    scores,
    ...(at !== undefined && at !== statistics.step && { measuredAt: at }),
  };
}

function score(
  fingerprint: Fingerprint,
  probes: RunProbes,
  method: string,
  statistics: PairStatistics,
  index: number,
  metrics: PairMetrics,
  failures: Failure[],
): Score {
  const reference = statistics.references[index]!;
  const selfProbe = usableProbe(statistics);
  try {
    const input = {
      method,
      metrics,
      reference,
      gradientKinds: {
        live: statistics.gradient?.kind ?? null,
        reference: statistics.referenceGradients[index]?.kind ?? null,
      },
      selfProbe,
    };
    let { uncorrected, ...predicted } = scorePair(fingerprint, { ...input, probes: probes.of(method) });
    if (
      uncorrected !== null &&
      probes.predicted(method, reference, { step: statistics.step, value: uncorrected })
    ) {
      ({ uncorrected, ...predicted } = scorePair(fingerprint, { ...input, probes: probes.of(method) }));
    }
    const value = finite(predicted.value);
    const raw = value === null || selfProbe === null ? null : value * selfProbe.accuracy;
    return { ...predicted, value, low: finite(predicted.low), high: finite(predicted.high), raw };
  } catch (error) {
    const reason = `score by ${method}: ${messageOf(error)}`;
    failures.push({ reference, message: reason });
    return {
      method,
      value: null,
      low: null,
      high: null,
      level: 0,
      raw: null,
      inDomain: false,
      outside: [],
      contributions: [],
      basis: [],
      reason,
    };
  }
}

function poolScores(
  pairs: readonly PairReport[],
  { fingerprint, methods }: TickContext,
  failures: Failure[],
): PoolScore[] {
  if (fingerprint === null || pairs.length < 2) {
    return [];
  }
  try {
    return methods.map((method, m) =>
      scoreGroup(
        fingerprint,
        method,
        pairs.map(({ reference, scores }) => ({ reference, value: scores[m]!.value })),
      ),
    );
  } catch (error) {
    failures.push({ message: `score of the pool: ${messageOf(error)}` });
    return [];
  }
}

/** Steps since a metric was measured, where that was not in this tick and somebody has a value of it. */
function agesOf({ step, measuredAt }: PairStatistics, pairs: readonly PairReport[]): TickEvent['ages'] {
  const ages: TickEvent['ages'] = {};
  for (const { name, needs } of METRICS) {
    const age = Math.max(0, ...needs.map((part) => step - (measuredAt[part] ?? step)));
    if (age > 0 && pairs.some(({ metrics }) => metrics[name] !== null)) {
      ages[name] = age;
    }
  }
  return ages;
}

/** ‖tau‖ or ‖g‖ over the shared tensors; null where a tensor's is not known. */
function liveNorm(statistics: PairStatistics, column: number): number | null {
  let sum = 0;
  for (let t = 0; t < statistics.tensors.length; t++) {
    sum += statistics.live[t * SIDE_WIDTH + column]!;
  }
  return finite(Math.sqrt(sum));
}

/** The last self-probe, unless its losses have become NaN or Inf (the rule nonFinite says so then). */
function usableProbe({ selfProbe }: PairStatistics): TickEvent['selfProbe'] {
  return selfProbe !== null && Object.values(selfProbe).every(Number.isFinite) ? { ...selfProbe } : null;
}

function finite(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}
