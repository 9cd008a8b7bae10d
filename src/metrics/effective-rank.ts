import {
  clamp,
  notCompared,
  notFinite,
  SMALLEST_TENSOR_NORM,
  singularValues,
  sumGram,
  TAU,
  tensorGram,
  withoutDirection,
} from './gram.js';
import type { Metric, MetricValue } from './metric.js';
import type { PairStatistics } from './pair-statistics.js';

/**
 * Guard that the study adds to the sum of singular values and inside the logarithm. Kept, since without it the
 * mergeability scores differ from the published implementation by 1e-8.
 */
const GUARD = 1e-10;

type Entry = Pick<Metric, 'name' | 'range' | 'better' | 'meaning' | 'compute'>;

function metric(entry: Entry): Metric {
  return {
    ...entry,
    family: 'effective_rank',
    needs: [],
    lane: 'fast',
    source: 'arXiv 2601.22285, effective rank; Roy and Vetterli 2007',
  };
}

/** exp of the entropy of the two singular values over their sum, 1..2. */
function rankOf([first, second]: readonly [number, number]): number {
  let entropy = 0;
  for (const value of [first, second]) {
    const share = value / (first + second + GUARD);
    entropy -= share * Math.log(share + GUARD);
  }
  return clamp(Math.exp(entropy), 1, 2);
}

/** A function of s1 and s2 of the two whole task vectors; null while either has no direction. */
function ofSingularValues(of: (values: readonly [number, number]) => number): Metric['compute'] {
  return (statistics, reference) => {
    const gram = sumGram(statistics, reference, TAU);
    if ('reason' in gram) {
      return { value: null, reason: gram.reason };
    }
    return withoutDirection(gram, TAU.what) ?? { value: of(singularValues(gram)) };
  };
}

/** Mean over the tensors of the effective rank, weighted with ‖a_l‖ + ‖b_l‖. */
function layerwise(statistics: PairStatistics, reference: number): MetricValue {
  const obstacle = notCompared(statistics, reference);
  if (obstacle !== undefined) {
    return { value: null, reason: obstacle };
  }
  let sum = 0;
  let weights = 0;
  const broken: string[] = [];
  statistics.tensors.forEach(({ name }, t) => {
    const gram = tensorGram(statistics, reference, t, TAU);
    if (!Number.isFinite(gram.a + gram.b + gram.dot + gram.distance)) {
      broken.push(name);
      return;
    }
    const a = Math.sqrt(gram.a);
    const b = Math.sqrt(gram.b);
    if (a < SMALLEST_TENSOR_NORM || b < SMALLEST_TENSOR_NORM) {
      return;
    }
    sum += (a + b) * rankOf(singularValues(gram));
    weights += a + b;
  });
  if (broken.length > 0) {
    return { value: null, reason: notFinite(`${TAU.what} numbers`, broken) };
  }
  if (weights === 0) {
    return { value: null, reason: 'no tensor was moved from the base by both models' };
  }
  return { value: sum / weights };
}

function score(rank: number): number {
  return clamp(2 - rank, 0, 1);
}

/** s1 >= s2 are the singular values of the 2 x D matrix of the two task vectors. */
export const EFFECTIVE_RANK_METRICS: readonly Metric[] = [
  metric({
    name: 'effective_rank',
    range: [1, 2],
    better: 'lower',
    meaning:
      'How many directions the two task vectors span: 1 when parallel, 2 when orthogonal and equally long.',
    compute: ofSingularValues(rankOf),
  }),
  metric({
    name: 'effective_rank_mergeability_score',
    range: [0, 1],
    better: 'higher',
    meaning: '2 minus the effective rank: 1 when the task vectors are parallel.',
    compute: ofSingularValues((values) => score(rankOf(values))),
  }),
  metric({
    name: 'stable_rank',
    range: [1, 2],
    better: 'lower',
    meaning: '(s1 + s2)² over s1² + s2²: another count of the directions that the task vectors span.',
    compute: ofSingularValues(([s1, s2]) => clamp((s1 + s2) ** 2 / (s1 ** 2 + s2 ** 2), 1, 2)),
  }),
  metric({
    name: 'spectral_gap',
    range: [0, 1],
    better: 'higher',
    meaning: '(s1 - s2) / s1: 1 when one direction holds both task vectors.',
    compute: ofSingularValues(([s1, s2]) => (s1 - s2) / s1),
  }),
  metric({
    name: 'singular_value_ratio',
    range: [0, 1],
    better: 'lower',
    meaning: 's2 / s1: 0 when one direction holds both task vectors.',
    compute: ofSingularValues(([s1, s2]) => s2 / s1),
  }),
  metric({
    name: 'layerwise_effective_rank',
    range: [1, 2],
    better: 'lower',
    meaning: 'Effective rank tensor by tensor, averaged with the tensors that moved most counting most.',
    compute: layerwise,
  }),
  metric({
    name: 'layerwise_effective_rank_mergeability_score',
    range: [0, 1],
    better: 'higher',
    meaning: '2 minus the layerwise effective rank.',
    compute(statistics, reference) {
      const rank = layerwise(statistics, reference);
      return rank.value === null ? rank : { value: score(rank.value) };
    },
  }),
];
