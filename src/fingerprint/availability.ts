import type { PairMetrics, SelfProbe } from '../metrics/index.js';
import { type Fingerprint, isGradientMetric, type SelfProbeFit, type Variant } from './schema.js';

/** Kinds of the gradients behind the gradient metrics of a pair; null where there is none. */
export interface GradientKinds {
  readonly live: string | null;
  readonly reference: string | null;
}

/** Metrics with a weight that are not there: a metric without one is not needed. */
export function missingFeatures(variant: Variant, lookUp: (name: string) => number | null): string[] {
  const missing: string[] = [];
  for (const { name, weight } of variant.features) {
    if (weight !== 0 && lookUp(name) === null) {
      missing.push(name);
    }
  }
  return missing;
}

/** Why gradient metrics can't be used, or null. */
export function gradientMismatch({ gradientKinds }: Fingerprint, seen: GradientKinds): string | null {
  if (seen.live === gradientKinds.live && seen.reference === gradientKinds.reference) {
    return null;
  }
  const words = (kinds: GradientKinds) =>
    `${kinds.live ?? 'none'} (live) and ${kinds.reference ?? 'none'} (reference)`;
  return `gradients are ${words(seen)}, the fingerprint was fitted on ${words(gradientKinds)}`;
}

export function reasonOf(missing: readonly string[], mismatch: string | null, metrics: PairMetrics): string {
  const lacking = missing.filter((name) => (metrics[name]?.value ?? null) === null);
  const reasons: string[] = [];
  if (mismatch !== null && missing.some(isGradientMetric)) {
    reasons.push(`gradient metrics not used: ${mismatch}`);
  }
  if (lacking.length > 0) {
    reasons.push(
      `predicted without ${lacking.slice(0, 3).join(', ')}${lacking.length > 3 ? ' and others' : ''}`,
    );
  }
  return reasons.join('; ');
}

/** The accuracy ratio; a sentence where one was taken but can't be used; null where there is nothing to say. */
export function selfProbeRatio(fit: SelfProbeFit | null, probe: SelfProbe | null): number | string | null {
  if (fit === null || probe === null) {
    return null;
  }
  if (Math.abs(probe.scale - fit.scale) > 1e-9) {
    return `self-probe not used: taken at scale ${probe.scale}, the fingerprint was fitted at ${fit.scale}`;
  }
  const ratio = probe.scaledAccuracy / probe.accuracy;
  return Number.isFinite(ratio) ? ratio : 'self-probe not used: the live model has accuracy 0';
}
