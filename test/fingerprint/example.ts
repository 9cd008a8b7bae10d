import { checksumOf } from '../../src/fingerprint/checksum.js';
import type { Fingerprint, ScoreInput } from '../../src/fingerprint/index.js';
import type { FingerprintContent, Variant } from '../../src/fingerprint/schema.js';
import type { PairMetrics } from '../../src/metrics/metric.js';

const figures = { r: 0.7, mae: 0.02, coverage: 0.8 };
const errors = { deviation: 0.03, offset: 0.024, within: 0.018 };

function variant(name: string, features: Variant['features']): Variant {
  const withMetrics = features.length > 0;
  return {
    name,
    rows: 20,
    penalty: 0.02,
    features,
    dropped: [],
    intercept: 0.9,
    effects: { mnist: 0.03, greek: -0.03 },
    effectSpread: 0.03,
    errors: { ...errors },
    intervals: [
      { level: 0.8, halfWidth: 0.04 },
      { level: 0.95, halfWidth: 0.08 },
    ],
    loto: { ...figures },
    bootstrap: { level: 0.9, r: [0.6, 0.8], mae: [0.015, 0.026], gain: withMetrics ? [0.002, 0.008] : null },
    combined: {
      errors: { deviation: 0.015, offset: 0.012, within: 0.009 },
      intervals: [
        { level: 0.8, halfWidth: 0.02 },
        { level: 0.95, halfWidth: 0.03 },
      ],
      loto: { ...figures, mae: 0.01 },
    },
    metricsOnly: withMetrics
      ? {
          r: 0.6,
          mae: 0.03,
          penalty: 0.003,
          weights: Object.fromEntries(features.map(({ name: metric, weight }) => [metric, 2 * weight])),
        }
      : null,
    effectsOnly: withMetrics ? { r: 0.65, mae: 0.025 } : null,
    null: withMetrics ? { count: 20, meanR: 0.4, r95: 0.5 } : null,
  };
}

/** A fingerprint with round numbers; every scaled metric is its value over `scale`. */
export function exampleFingerprint(change: Partial<FingerprintContent> = {}): Fingerprint {
  const cosine: Variant['features'][number] = {
    name: 'task_vector_cosine_similarity',
    center: 0,
    scale: 0.1,
    low: -0.2,
    high: 0.2,
    weight: 0.01,
    range: [0.008, 0.012],
  };
  const rank: Variant['features'][number] = {
    name: 'effective_rank',
    center: 2,
    scale: 0.1,
    low: 1.8,
    high: 2.1,
    weight: 0,
    range: [0, 0],
  };
  const gradient: Variant['features'][number] = {
    name: 'encoder_gradient_l2_distance',
    center: 1,
    scale: 1,
    low: 0,
    high: 3,
    weight: -0.02,
    range: [-0.025, -0.015],
  };
  const content: FingerprintContent = {
    format: 'mergeguard-fingerprint',
    version: 2,
    name: 'example',
    target: 'normalized_acc',
    level: 0.8,
    gradientKinds: { live: 'ema', reference: 'ema' },
    methods: {
      ties: {
        rows: 20,
        selfProbe: {
          rows: 20,
          scale: 0.5,
          slope: 0.5,
          offset: 0.5,
          errors: { ...errors },
          low: 0.6,
          high: 1,
          loto: { ...figures },
        },
        groups: null,
        variants: [
          variant('weights+gradients', [cosine, rank, gradient]),
          variant('weights', [{ ...cosine, weight: 0.02, range: [0.01, 0.03] }, { ...rank }]),
          variant('effects', []),
        ],
      },
    },
    provenance: {
      architecture: 'small transformer',
      optimiser: 'adamw',
      source: 'drawn',
      rows: 20,
      tasks: ['mnist', 'greek'],
      directed: true,
      tableHash: 'none',
      penalties: 'nested',
      seeds: [0, 1, 2, 3, 4],
      notes: [],
    },
    ...change,
  };
  return { ...content, checksum: checksumOf(content) };
}

export function exampleMetrics(values: Record<string, number | null>): PairMetrics {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      value === null ? { value, reason: 'not measured' } : { value },
    ]),
  );
}

export const exampleInput: ScoreInput = {
  method: 'ties',
  metrics: exampleMetrics({
    task_vector_cosine_similarity: 0.1,
    effective_rank: 2,
    encoder_gradient_l2_distance: 2,
  }),
  reference: 'mnist',
  gradientKinds: { live: 'ema', reference: 'ema' },
  selfProbe: null,
};

export const exampleProbe = {
  scale: 0.5,
  accuracy: 0.9,
  scaledAccuracy: 0.72,
  loss: 0.3,
  scaledLoss: 0.8,
  samples: 64,
  step: 100,
};
