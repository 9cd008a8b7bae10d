import { ACTIVATION, cosine, functionalGram, type Gram, magnitudeRatio } from './gram.js';
import type { Metric, MetricValue } from './metric.js';

function metric({
  of,
  ...entry
}: Pick<Metric, 'name' | 'range' | 'better' | 'meaning'> & { of(gram: Gram): MetricValue }): Metric {
  return {
    ...entry,
    family: 'activation',
    needs: ['activation'],
    lane: 'slow',
    source: 'arXiv 2601.22285, activation-based metrics',
    compute(statistics, reference) {
      const gram = functionalGram(statistics, reference, ACTIVATION);
      return 'reason' in gram ? { value: null, reason: gram.reason } : of(gram);
    },
  };
}

/** h is the mean activation of one named layer over the calibration inputs of both tasks, for each of the two models. */
export const ACTIVATION_METRICS: readonly Metric[] = [
  metric({
    name: 'activation_l2_distance',
    range: [0, null],
    better: 'lower',
    meaning: 'How differently the two models represent the same inputs on average.',
    of: (gram) => ({ value: Math.sqrt(gram.distance) }),
  }),
  metric({
    name: 'activation_cosine_similarity',
    range: [-1, 1],
    better: 'higher',
    meaning: 'Whether the mean representations of the same inputs point in the same direction.',
    of: (gram) => cosine(gram, ACTIVATION.what),
  }),
  metric({
    name: 'activation_magnitude_ratio',
    range: [0, 1],
    better: 'higher',
    meaning: 'Length of the shorter mean representation over that of the longer.',
    of: (gram) => magnitudeRatio(gram, ACTIVATION.what),
  }),
  metric({
    name: 'activation_dot_product',
    range: [null, null],
    better: 'none',
    meaning: 'Agreement of the mean representations, weighted by how large both are.',
    of: (gram) => ({ value: gram.dot }),
  }),
];
