import { area, cosine, type Gram, magnitudeRatio, sumGram, TAU, withoutDirection } from './gram.js';
import type { Metric, MetricValue } from './metric.js';

type Entry = Pick<Metric, 'name' | 'range' | 'better' | 'meaning'> & { of(gram: Gram): MetricValue };

function metric({ of, ...entry }: Entry): Metric {
  return {
    ...entry,
    family: 'task_vector',
    needs: [],
    lane: 'fast',
    source: 'arXiv 2601.22285, task vector geometry',
    compute(statistics, reference) {
      const gram = sumGram(statistics, reference, TAU);
      return 'reason' in gram ? { value: null, reason: gram.reason } : of(gram);
    },
  };
}

/**
 * a and b are the task vectors of the live model and the reference, flattened over the shared tensors. Distance
 * and dot product are always defined; what needs a direction is null while either norm is under 1e-8.
 */
export const TASK_VECTOR_METRICS: readonly Metric[] = [
  metric({
    name: 'task_vector_cosine_similarity',
    range: [-1, 1],
    better: 'higher',
    meaning: 'Whether the two models have moved from the base in the same direction.',
    of: (gram) => cosine(gram, TAU.what),
  }),
  metric({
    name: 'task_vector_l2_distance',
    range: [0, null],
    better: 'lower',
    meaning: 'How far the two models are from each other in weight space.',
    of: (gram) => ({ value: Math.sqrt(gram.distance) }),
  }),
  metric({
    name: 'task_vector_dot_product',
    range: [null, null],
    better: 'none',
    meaning: 'Agreement in direction, weighted by how far both models have moved.',
    of: (gram) => ({ value: gram.dot }),
  }),
  metric({
    name: 'weight_space_angle',
    range: [0, 180],
    better: 'lower',
    meaning: 'Angle between the two task vectors in degrees.',
    // atan2 keeps the digits of small angles that acos of a cosine near 1 loses
    of: (gram) =>
      withoutDirection(gram, TAU.what) ?? { value: (Math.atan2(area(gram), gram.dot) * 180) / Math.PI },
  }),
  metric({
    name: 'task_vector_magnitude_ratio',
    range: [0, 1],
    better: 'higher',
    meaning: 'Length of the shorter task vector over that of the longer: near 0, one model drowns the other.',
    of: (gram) => magnitudeRatio(gram, TAU.what),
  }),
];
