import type { PairMetrics, SelfProbe } from '../metrics/index.js';
import {
  type GradientKinds,
  gradientMismatch,
  missingFeatures,
  reasonOf,
  selfProbeRatio,
} from './availability.js';
import { linearShare } from './combine.js';
import { cut, halfWidthOf, normalFor } from './interval.js';
import { correctByProbes, type ErrorPrior, type ProbeResidual } from './run-offset.js';
import { applyScaling } from './scaling.js';
import { type Errors, type Fingerprint, isGradientMetric, type Variant } from './schema.js';
import { HIGHEST_ACCURACY } from './table.js';

export interface ScoreInput {
  readonly method: string;
  readonly metrics: PairMetrics;
  readonly reference: string;
  readonly gradientKinds: GradientKinds;
  readonly selfProbe: SelfProbe | null;
  /** merge probes of this run by this method, the last one of every reference; none by default */
  readonly probes?: readonly ProbeResidual[];
}

/** The guard's Score without `raw`. */
export interface PairScore {
  method: string;
  value: number | null;
  /** the prediction before merge probes corrected it, which they are held against; not cut */
  uncorrected: number | null;
  low: number | null;
  high: number | null;
  level: number;
  /** false too where none of the metrics could be looked at, though the fingerprint has some */
  inDomain: boolean;
  outside: { metric: string; value: number; low: number; high: number }[];
  /** points that each part moves the prediction from the fit's typical pair, largest first */
  contributions: { feature: string; points: number }[];
  basis: string[];
  reason?: string;
}

/** The metric that every pair of models has that were moved from their base. */
const ALWAYS_THERE = 'task_vector_cosine_similarity';

/** Names beside those of metrics in `contributions` and `outside`. */
export const EFFECT_FEATURE = 'reference effect';
export const SELF_PROBE_FEATURE = 'self-probe';
export const MERGE_PROBES_FEATURE = 'merge probes';

/**
 * Predicts the normalised accuracy of merging the live model with one reference.
 *
 * Nothing is predicted of a model that is its base still, or whose weights are not finite. The first variant whose weighted metrics are all there is used, the one with most metrics being first; where there is
 * none, the reference's effect alone. The live task always has the effect of a typical one, 0. A reference that the fit
 * did not know has it too, and widens the interval by the spread of the effects. Where the fit has a self-probe line and
 * a self-probe was taken, both predictions are combined by inverse variance; merge probes shift the result and tighten
 * the interval (correctByProbes). value, low and high are cut to 0..1.2, the range that outcomes of a table may have.
 */
export function scorePair(fingerprint: Fingerprint, input: ScoreInput): PairScore {
  const { level, methods } = fingerprint;
  const { method } = input;
  if (!Object.hasOwn(methods, method)) {
    return nothing(method, level, `the fingerprint ${fingerprint.name} knows no method ${method}`);
  }
  const direction = input.metrics[ALWAYS_THERE];
  if (direction !== undefined && direction.value === null) {
    // Without a task vector, or with NaN in it, what is left of the prediction would be of some other model.
    return nothing(method, level, `not predicted: ${direction.reason}`);
  }
  const { variants, selfProbe } = methods[method];
  const mismatch = gradientMismatch(fingerprint, input.gradientKinds);
  const lookUp = (name: string): number | null => {
    const metric = input.metrics[name];
    return metric === undefined || metric.value === null || (mismatch !== null && isGradientMetric(name))
      ? null
      : metric.value;
  };
  const missing = missingFeatures(variants[0], lookUp);
  const reasons = missing.length === 0 ? [] : [reasonOf(missing, mismatch, input.metrics)];
  const variant =
    missing.length === 0 ? variants[0] : variants.find((each) => missingFeatures(each, lookUp).length === 0);
  if (variant === undefined) {
    return nothing(method, level, reasons.join('; '));
  }

  const outside: PairScore['outside'] = [];
  const parts: { feature: string; amount: number }[] = [];
  let sum = variant.intercept;
  for (const feature of variant.features) {
    const value = lookUp(feature.name);
    if (value === null) {
      continue;
    }
    if (value < feature.low || value > feature.high) {
      outside.push({ metric: feature.name, value, low: feature.low, high: feature.high });
    }
    const amount = feature.weight * applyScaling(feature, value);
    sum += amount;
    parts.push({ feature: feature.name, amount });
  }
  const known = Object.hasOwn(variant.effects, input.reference);
  if (known) {
    sum += variant.effects[input.reference];
    parts.push({ feature: EFFECT_FEATURE, amount: variant.effects[input.reference] });
  }
  const spreadOf = (reference: string) =>
    Object.hasOwn(variant.effects, reference) ? 0 : variant.effectSpread;
  const spread = spreadOf(input.reference);

  const probe = selfProbeRatio(selfProbe, input.selfProbe);
  if (typeof probe === 'string') {
    reasons.push(probe);
  }
  let value = sum;
  let share = 1;
  let { intervals, errors } = variant;
  if (selfProbe !== null && typeof probe === 'number' && variant.combined !== null) {
    share = linearShare(Math.hypot(variant.errors.deviation, spread), selfProbe.errors.deviation);
    const line = selfProbe.offset + selfProbe.slope * probe;
    value = share * sum + (1 - share) * line;
    ({ intervals, errors } = variant.combined);
    if (probe < selfProbe.low || probe > selfProbe.high) {
      outside.push({ metric: SELF_PROBE_FEATURE, value: probe, low: selfProbe.low, high: selfProbe.high });
    }
    for (const part of parts) {
      part.amount *= share;
    }
    parts.push({ feature: SELF_PROBE_FEATURE, amount: (1 - share) * (line - variant.intercept) });
  }
  let half = Math.hypot(halfWidthOf(intervals, level), share * spread * normalFor(level));
  const uncorrected = value;
  const { probes = [] } = input;
  if (probes.length > 0) {
    const prior = errorPrior(errors, (reference) => share * spreadOf(reference));
    const { shift, variance } = correctByProbes(probes, prior, input.reference);
    const before = prior.offset + prior.pair(input.reference);
    value += shift;
    half *= before > 0 ? Math.sqrt(variance / before) : 1;
    parts.push({ feature: MERGE_PROBES_FEATURE, amount: shift });
  }
  if (value < 0 || value > HIGHEST_ACCURACY) {
    reasons.push(`the prediction of ${value.toFixed(2)} was cut to 0..${HIGHEST_ACCURACY}`);
  }
  const score: PairScore = {
    method,
    value: cut(value),
    uncorrected,
    low: cut(value - half),
    high: cut(value + half),
    level,
    inDomain: outside.length === 0 && (variant.features.length > 0 || variants[0].features.length === 0),
    outside,
    contributions: parts
      .filter(({ amount }) => amount !== 0)
      .sort((a, b) => Math.abs(b.amount) - Math.abs(a.amount))
      .map(({ feature, amount }) => ({ feature, points: 100 * amount })),
    basis: basisOf(variant, known, share, probes.length > 0),
  };
  if (reasons.length > 0) {
    score.reason = reasons.join('; ');
  }
  return score;
}

/** What the errors of held-out tasks say of a prediction's error; a reference that the fit did not know adds its own. */
function errorPrior({ offset, within }: Errors, spreadOf: (reference: string) => number): ErrorPrior {
  return { offset: offset ** 2, pair: (reference) => within ** 2 + spreadOf(reference) ** 2 };
}

function basisOf(variant: Variant, known: boolean, share: number, probed: boolean): string[] {
  const basis = variant.features.some(({ weight }) => weight !== 0) ? ['metrics'] : [];
  if (known) {
    basis.push('effect');
  }
  if (basis.length === 0) {
    basis.push('mean');
  }
  if (share < 1) {
    basis.push('self-probe');
  }
  if (probed) {
    basis.push('merge-probe');
  }
  return basis;
}

function nothing(method: string, level: number, reason: string): PairScore {
  return {
    method,
    value: null,
    uncorrected: null,
    low: null,
    high: null,
    level,
    inDomain: false,
    outside: [],
    contributions: [],
    basis: [],
    reason,
  };
}
