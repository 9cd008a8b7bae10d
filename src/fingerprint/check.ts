import { listProblems, MergeguardError } from '../tensors/index.js';
import { type GradientKinds, gradientMismatch, missingFeatures } from './availability.js';
import { type Fingerprint, isGradientMetric } from './schema.js';

export interface StreamOffer {
  /** names of the metrics that the stream can offer */
  readonly metrics: readonly string[];
  /** merge methods that are to be scored */
  readonly methods: readonly string[];
  /** of the gradients that it starts with */
  readonly gradientKinds: GradientKinds;
}

/**
 * Holds a fingerprint against what a stream can offer, before the first step.
 *
 * @returns what is limited though it works, a sentence each
 * @throws MergeguardError when it predicts something else than normalised accuracy, a method is not in it, or none of
 *   its variants with metrics can be used, naming the metrics that are missing
 */
export function checkFingerprint(
  fingerprint: Fingerprint,
  { metrics, methods, gradientKinds }: StreamOffer,
): string[] {
  const offered = new Set(metrics);
  const problems: string[] = [];
  const limits: string[] = [];
  if (fingerprint.target !== 'normalized_acc') {
    problems.push(
      `it predicts raw accuracy (target ${fingerprint.target}), a run is scored by normalised accuracy (fit it with the target normalized_acc)`,
    );
  }
  for (const method of methods) {
    if (!Object.hasOwn(fingerprint.methods, method)) {
      const known = Object.keys(fingerprint.methods).join(', ');
      problems.push(`${method} is not in it; there are: ${known}`);
      continue;
    }
    const withMetrics = fingerprint.methods[method].variants.filter(({ features }) => features.length > 0);
    const missing = withMetrics.map((variant) =>
      missingFeatures(variant, (name) => (offered.has(name) ? 0 : null)),
    );
    const usable = missing.findIndex((names) => names.length === 0);
    if (withMetrics.length === 0) {
      limits.push(`${method}: predicted from task effects alone, the fingerprint has no metrics for it`);
    } else if (usable < 0) {
      const least = missing.reduce((a, b) => (b.length < a.length ? b : a));
      problems.push(`${method} needs ${least.join(', ')}, which this stream does not offer`);
    } else if (usable > 0) {
      limits.push(
        `${method}: predicted by the variant "${withMetrics[usable].name}", ` +
          `since the stream does not offer ${missing[0].join(', ')}`,
      );
    }
  }
  const mismatch = gradientMismatch(fingerprint, gradientKinds);
  const weighsGradients = methods.some((method) =>
    fingerprint.methods[method]?.variants.some(({ features }) =>
      features.some(({ name, weight }) => weight !== 0 && offered.has(name) && isGradientMetric(name)),
    ),
  );
  if (mismatch !== null && weighsGradients) {
    limits.push(`gradient metrics are not used: ${mismatch}`);
  }
  if (problems.length > 0) {
    throw new MergeguardError(
      listProblems(
        `the fingerprint ${fingerprint.name} can not be used here (choose other methods or fit another fingerprint):`,
        problems,
      ),
    );
  }
  return limits;
}
