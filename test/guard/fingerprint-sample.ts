import type { Fingerprint } from '../../src/fingerprint/index.js';

/** A fingerprint by hand: 0.9 + 0.04 times one metric, 0.02 more for mnist, for each of these methods. */
export function fingerprintOf(
  methods: readonly string[],
  metric = 'task_vector_cosine_similarity',
): Fingerprint {
  const loto = { r: 0.5, mae: 0.02, coverage: 0.8 };
  const variant: Fingerprint['methods'][string]['variants'][number] = {
    name: 'weights',
    rows: 10,
    penalty: 0.02,
    features: [{ name: metric, center: 0, scale: 1, low: -1, high: 1, weight: 0.04, range: [0.03, 0.05] }],
    dropped: [],
    intercept: 0.9,
    effects: { mnist: 0.02 },
    effectSpread: 0.01,
    errors: { deviation: 0.05, offset: 0.04, within: 0.03 },
    intervals: [{ level: 0.8, halfWidth: 0.03 }],
    loto,
    bootstrap: { level: 0.9, r: [0.4, 0.6], mae: [0.01, 0.03], gain: null },
    combined: null,
    metricsOnly: null,
    effectsOnly: null,
    null: null,
  };
  return {
    format: 'mergeguard-fingerprint',
    version: 2,
    name: 'sample',
    target: 'normalized_acc',
    level: 0.8,
    gradientKinds: { live: null, reference: null },
    methods: Object.fromEntries(
      methods.map((method) => [
        method,
        {
          rows: 10,
          selfProbe: null,
          groups: null,
          variants: [variant, { ...variant, name: 'effects', features: [] }],
        },
      ]),
    ),
    provenance: {
      architecture: 'none',
      optimiser: 'none',
      source: 'made by hand for tests',
      rows: 10,
      tasks: ['mnist'],
      directed: true,
      tableHash: '',
      penalties: 'default',
      seeds: [],
      notes: [],
    },
    checksum: '',
  };
}
