import { clamp, notFinite, SMALLEST_TENSOR_NORM } from './gram.js';
import type { Metric, MetricValue } from './metric.js';
import {
  PAIR,
  PAIR_WIDTH,
  type PairStatistics,
  type Part,
  SIDE,
  SIDE_WIDTH,
  UNMOVED,
} from './pair-statistics.js';

/** Overlap of orthonormal bases is at most k; beyond this factor it is no rounding. */
const ORTHONORMAL_TOLERANCE = 1.01;

/** What PairStatistics says of one 2-D tensor that both models have moved. */
interface Cell {
  readonly name: string;
  /** a column of `pair` */
  pair(column: number): number;
  /** a column of `live` and of `ref` */
  sides(column: number): readonly [number, number];
}

/** A score of one tensor; `left out` where it has none by its nature, a sentence where it should have one. */
type CellScore = { readonly score: number } | { readonly leftOut: string } | { readonly wrong: string };

function metric(
  entry: Pick<Metric, 'name' | 'meaning' | 'lane'> & { part: Part; of: (cell: Cell) => CellScore },
): Metric {
  const { part, of, ...described } = entry;
  return {
    ...described,
    family: 'subspace',
    needs: [part],
    range: [0, 1],
    better: 'higher',
    source: 'arXiv 2601.22285, subspace overlap',
    compute: (statistics, reference) => meanOverMatrices(statistics, reference, part, of),
  };
}

/**
 * Mean of a score over the 2-D tensors. Tensors that either model has not moved are left out, and those that have no
 * such score; every other one must have been measured, with the same k on both sides.
 */
function meanOverMatrices(
  statistics: PairStatistics,
  reference: number,
  part: Part,
  of: (cell: Cell) => CellScore,
): MetricValue {
  const absent = statistics.absent[part] ?? statistics.referenceAbsent[reference]?.[part];
  if (absent !== undefined) {
    return { value: null, reason: absent };
  }
  let sum = 0;
  let count = 0;
  const wrong: string[] = [];
  const leftOut: string[] = [];
  statistics.tensors.forEach(({ name, shape }, t) => {
    const cell = cellAt(statistics, reference, t, name);
    const [a, b] = cell.sides(SIDE.tauNorm);
    if (shape.length !== 2 || Math.sqrt(a) < SMALLEST_TENSOR_NORM || Math.sqrt(b) < SMALLEST_TENSOR_NORM) {
      return;
    }
    const result = of(cell);
    if ('score' in result) {
      sum += result.score;
      count += 1;
    } else if ('wrong' in result) {
      wrong.push(result.wrong);
    } else {
      leftOut.push(result.leftOut);
    }
  });
  if (wrong.length > 0) {
    return { value: null, reason: firstOf(wrong) };
  }
  if (count > 0) {
    return { value: sum / count };
  }
  return {
    value: null,
    reason: leftOut.length > 0 ? firstOf(leftOut) : 'no 2-D tensor was moved from the base by both models',
  };
}

function cellAt(statistics: PairStatistics, reference: number, t: number, name: string): Cell {
  const cell = reference * statistics.tensors.length + t;
  return {
    name,
    pair: (column) => statistics.pair[cell * PAIR_WIDTH + column]!,
    sides: (column) => [
      statistics.live[t * SIDE_WIDTH + column]!,
      statistics.ref[cell * SIDE_WIDTH + column]!,
    ],
  };
}

function firstOf(sentences: readonly string[]): string {
  return sentences.length > 1 ? `${sentences[0]} (and ${sentences.length - 1} more)` : sentences[0]!;
}

/** Of a matrix that has moved since the slow lane looked at it: the next look will see it. */
function unmoved({ name }: Cell): CellScore {
  return { leftOut: `${name} had not moved from the base when its singular values were last measured` };
}

/** A function of overlap² = ‖X_live^T X_ref‖_F², 0..k, and k. */
function overlapScore(
  columns: { overlap: number; k: number },
  of: (overlap2: number, k: number) => number,
): (cell: Cell) => CellScore {
  return (cell) => {
    const overlap = cell.pair(columns.overlap);
    const [k, referenceK] = cell.sides(columns.k);
    if (columns.k === SIDE.bottomK && k === UNMOVED) {
      return unmoved(cell);
    }
    if (columns.k === SIDE.bottomK && (k === 0 || referenceK === 0)) {
      const whose = k === 0 ? "live model's" : "reference's";
      return {
        leftOut: `the ${whose} task vector of ${cell.name} has not full rank, so that it has no bottom subspace`,
      };
    }
    if (!Number.isFinite(overlap) || !(k > 0) || !(referenceK > 0)) {
      return { wrong: notFinite('subspace overlaps', [cell.name]) };
    }
    if (k !== referenceK) {
      return {
        wrong: `the subspaces of ${cell.name} have k = ${k} in the live model, ${referenceK} in the reference`,
      };
    }
    if (overlap > k * ORTHONORMAL_TOLERANCE) {
      return {
        wrong: `the overlap of ${cell.name} is ${overlap}, over k = ${k}: its bases are not orthonormal`,
      };
    }
    return { score: of(clamp(overlap, 0, k), k) };
  };
}

const LEFT_TOP = { overlap: PAIR.leftTop, k: SIDE.leftK };
const RIGHT_TOP = { overlap: PAIR.rightTop, k: SIDE.rightK };
const RIGHT_BOTTOM = { overlap: PAIR.rightBottom, k: SIDE.bottomK };

/**
 * U and V hold the first k = min(10, out, in) singular vectors of a tensor's task vector, [out, k] and [in, k]; the
 * bottom ones are the last k of the thin decomposition. Normalisation differs from metric to metric because the
 * published tables do: identical models reach 1 / sqrt(k) in `subspace_overlap`, 1 in the others.
 */
export const SUBSPACE_METRICS: readonly Metric[] = [
  metric({
    name: 'singular_value_overlap',
    meaning: 'Whether the two models spread their change over as many directions: cosine of their spectra.',
    lane: 'slow',
    part: 'spectra',
    of(cell) {
      if (cell.sides(SIDE.bottomK)[0] === UNMOVED) {
        return unmoved(cell);
      }
      const cosine = cell.pair(PAIR.spectrum);
      return Number.isFinite(cosine)
        ? { score: clamp(cosine, 0, 1) }
        : { wrong: notFinite('singular values', [cell.name]) };
    },
  }),
  metric({
    name: 'subspace_overlap',
    meaning:
      'How much the output directions that the two models changed most overlap; 1 / sqrt(k) when identical.',
    lane: 'fast',
    part: 'subspace',
    of: overlapScore(LEFT_TOP, (overlap2, k) => Math.sqrt(overlap2) / k),
  }),
  metric({
    name: 'right_subspace_overlap_top_k',
    meaning: 'How much the input directions that the two models changed most overlap; 1 when identical.',
    lane: 'fast',
    part: 'subspace',
    of: overlapScore(RIGHT_TOP, (overlap2, k) => Math.sqrt(overlap2 / k)),
  }),
  metric({
    name: 'right_subspace_overlap_bottom_k',
    meaning: 'How much the input directions that the two models changed least overlap; 1 when identical.',
    lane: 'slow',
    part: 'bottom',
    of: overlapScore(RIGHT_BOTTOM, (overlap2, k) => Math.sqrt(overlap2 / k)),
  }),
  metric({
    name: 'interaction_matrix_overlap_top_k',
    meaning: 'Mean squared cosine of the angles between the input directions changed most; 1 when identical.',
    lane: 'fast',
    part: 'subspace',
    of: overlapScore(RIGHT_TOP, (overlap2, k) => overlap2 / k),
  }),
  metric({
    name: 'interaction_matrix_overlap_bottom_k',
    meaning:
      'Mean squared cosine of the angles between the input directions changed least; 1 when identical.',
    lane: 'slow',
    part: 'bottom',
    of: overlapScore(RIGHT_BOTTOM, (overlap2, k) => overlap2 / k),
  }),
];
