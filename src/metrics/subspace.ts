import { clamp, notFinite, SMALLEST_TENSOR_NORM, TAU, tensorGram } from './gram.js';
import type { Metric, MetricValue } from './metric.js';
import { PAIR, PAIR_WIDTH, type PairStatistics, SIDE, SIDE_WIDTH } from './pair-statistics.js';

/** Overlap of orthonormal bases is at most k; beyond this factor it is no rounding. */
const ORTHONORMAL_TOLERANCE = 1.01;

type Entry = Pick<Metric, 'name' | 'meaning'> & {
  overlap: number;
  k: number;
  /** overlap² = ‖X_live^T X_ref‖_F², 0..k, of one tensor to its score */
  of(overlap2: number, k: number): number;
};

function metric({ overlap, k, of, ...entry }: Entry): Metric {
  return {
    ...entry,
    family: 'subspace',
    needs: ['subspace'],
    lane: 'fast',
    range: [0, 1],
    better: 'higher',
    source: 'arXiv 2601.22285, subspace overlap',
    compute: (statistics, reference) => meanOverMatrices(statistics, reference, overlap, k, of),
  };
}

/**
 * Mean of a score over the 2-D tensors. Tensors that either model has not moved are left out; every other one
 * must have been measured, with the same k on both sides.
 */
function meanOverMatrices(
  statistics: PairStatistics,
  reference: number,
  overlapColumn: number,
  kColumn: number,
  of: Entry['of'],
): MetricValue {
  if (statistics.absent.subspace !== undefined) {
    return { value: null, reason: statistics.absent.subspace };
  }
  let sum = 0;
  let count = 0;
  const unmeasured: string[] = [];
  const wrong: string[] = [];
  statistics.tensors.forEach(({ name, shape }, t) => {
    const { a, b } = tensorGram(statistics, reference, t, TAU);
    if (shape.length !== 2 || Math.sqrt(a) < SMALLEST_TENSOR_NORM || Math.sqrt(b) < SMALLEST_TENSOR_NORM) {
      return;
    }
    const cell = reference * statistics.tensors.length + t;
    const overlap = statistics.pair[cell * PAIR_WIDTH + overlapColumn]!;
    const k = statistics.live[t * SIDE_WIDTH + kColumn]!;
    const referenceK = statistics.ref[cell * SIDE_WIDTH + kColumn]!;
    if (!Number.isFinite(overlap) || !(k > 0) || !(referenceK > 0)) {
      unmeasured.push(name);
    } else if (k !== referenceK) {
      wrong.push(`the subspaces of ${name} have k = ${k} in the live model, ${referenceK} in the reference`);
    } else if (overlap > k * ORTHONORMAL_TOLERANCE) {
      wrong.push(`the overlap of ${name} is ${overlap}, over k = ${k}: its bases are not orthonormal`);
    } else {
      sum += of(clamp(overlap, 0, k), k);
      count += 1;
    }
  });
  if (unmeasured.length > 0) {
    return { value: null, reason: notFinite('subspace overlaps', unmeasured) };
  }
  if (wrong.length > 0) {
    return {
      value: null,
      reason: wrong.length > 1 ? `${wrong[0]} (and ${wrong.length - 1} more)` : wrong[0]!,
    };
  }
  if (count === 0) {
    return { value: null, reason: 'no 2-D tensor was moved from the base by both models' };
  }
  return { value: sum / count };
}

/**
 * U and V hold the first k = min(10, out, in) singular vectors of a tensor's task vector, [out, k] and [in, k].
 * Normalisation differs from metric to metric because the published tables do: identical models reach 1 / sqrt(k)
 * in the first, 1 in the others.
 */
export const SUBSPACE_METRICS: readonly Metric[] = [
  metric({
    name: 'subspace_overlap',
    meaning:
      'How much the output directions that the two models changed most overlap; 1 / sqrt(k) when identical.',
    overlap: PAIR.leftTop,
    k: SIDE.leftK,
    of: (overlap2, k) => Math.sqrt(overlap2) / k,
  }),
  metric({
    name: 'right_subspace_overlap_top_k',
    meaning: 'How much the input directions that the two models changed most overlap; 1 when identical.',
    overlap: PAIR.rightTop,
    k: SIDE.rightK,
    of: (overlap2, k) => Math.sqrt(overlap2 / k),
  }),
  metric({
    name: 'interaction_matrix_overlap_top_k',
    meaning: 'Mean squared cosine of the principal angles between those input directions; 1 when identical.',
    overlap: PAIR.rightTop,
    k: SIDE.rightK,
    of: (overlap2, k) => overlap2 / k,
  }),
];
