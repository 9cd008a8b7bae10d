import { describe, expect, it } from 'vitest';
import {
  computePairMetrics,
  FUNCTIONAL_WIDTH,
  PAIR,
  PAIR_WIDTH,
  type PairStatistics,
  SIDE,
  SIDE_WIDTH,
} from '../../src/metrics/index.js';
import { gramOf } from './models.js';

interface Tensor {
  shape: number[];
  /** ‖a‖² and ‖b‖² */
  norms?: [number, number];
  spectrum?: number;
  bottom?: number;
  bottomK?: [number, number];
}

/** Statistics of one pair by hand; what a tensor does not say of the slow lane is NaN. */
function statistics(tensors: Record<string, Tensor>, functional: readonly number[] = []): PairStatistics {
  const list = Object.entries(tensors);
  const pair = new Float64Array(list.length * PAIR_WIDTH).fill(Number.NaN);
  const live = new Float64Array(list.length * SIDE_WIDTH).fill(Number.NaN);
  const ref = new Float64Array(list.length * SIDE_WIDTH).fill(Number.NaN);
  list.forEach(([, { norms = [1, 1], spectrum, bottom, bottomK }], t) => {
    pair[t * PAIR_WIDTH + PAIR.spectrum] = spectrum ?? Number.NaN;
    pair[t * PAIR_WIDTH + PAIR.rightBottom] = bottom ?? Number.NaN;
    [live, ref].forEach((side, s) => {
      side[t * SIDE_WIDTH + SIDE.tauNorm] = norms[s]!;
      side[t * SIDE_WIDTH + SIDE.bottomK] = bottomK?.[s] ?? Number.NaN;
    });
  });
  const all = new Float64Array(FUNCTIONAL_WIDTH).fill(Number.NaN);
  all.set(functional);
  return {
    run: 'by hand',
    step: 0,
    time: '2026-01-01T00:00:00Z',
    references: ['one'],
    tensors: list.map(([name, { shape }]) => ({ name, shape })),
    pair,
    live,
    ref,
    functional: all,
    gradient: null,
    referenceGradients: [null],
    absent: {},
    referenceAbsent: [{}],
    measuredAt: {},
    selfProbe: null,
  };
}

/** The value, or the reason why there is none. */
function found(given: PairStatistics, name: string): number | string {
  const metric = computePairMetrics(given, 0)[name]!;
  return metric.value ?? (metric as { reason: string }).reason;
}

const MATRIX = [4, 6];

describe('singular_value_overlap', () => {
  it.each<[string, Record<string, Tensor>, number | string]>([
    ['one matrix', { a: { shape: MATRIX, spectrum: 0.5 } }, 0.5],
    [
      'a mean over matrices',
      { a: { shape: MATRIX, spectrum: 0.5 }, b: { shape: [2, 2], spectrum: 1 } },
      0.75,
    ],
    ['vectors and kernels left out', { a: { shape: MATRIX, spectrum: 0.5 }, b: { shape: [3] } }, 0.5],
    [
      'matrices that one model left alone',
      { a: { shape: MATRIX, spectrum: 0.5 }, b: { shape: MATRIX, norms: [1, 1e-21] } },
      0.5,
    ],
    ['rounding above one', { a: { shape: MATRIX, spectrum: 1 + 1e-9 } }, 1],
    ['no matrix', { a: { shape: [3] } }, 'no 2-D tensor was moved from the base by both models'],
    [
      'matrices without a spectrum',
      { a: { shape: MATRIX }, b: { shape: MATRIX, spectrum: 1 }, c: { shape: MATRIX, spectrum: Infinity } },
      'the singular values of a are missing or not finite (and 1 more)',
    ],
  ])('%s', (_, tensors, expected) => {
    expect(found(statistics(tensors), 'singular_value_overlap')).toEqual(expected);
  });
});

describe('bottom overlaps', () => {
  const RANK = "the live model's task vector of a has not full rank, so that it has no bottom subspace";
  it.each<[string, Record<string, Tensor>, number | string, number | string]>([
    ['one matrix', { a: { shape: MATRIX, bottom: 1, bottomK: [4, 4] } }, 0.5, 0.25],
    [
      'a mean, after squaring for the interaction matrix',
      {
        a: { shape: MATRIX, bottom: 4, bottomK: [4, 4] },
        b: { shape: MATRIX, bottom: 1, bottomK: [4, 4] },
      },
      0.75,
      0.625,
    ],
    [
      'matrices without full rank on either side left out',
      {
        a: { shape: MATRIX, bottomK: [0, 4] },
        b: { shape: MATRIX, bottom: 1, bottomK: [4, 4] },
        c: { shape: MATRIX, bottomK: [4, 0] },
      },
      0.5,
      0.25,
    ],
    ['a single one without full rank', { a: { shape: MATRIX, bottomK: [0, 4] } }, RANK, RANK],
    [
      'all without full rank',
      { a: { shape: MATRIX, bottomK: [0, 0] }, b: { shape: MATRIX, bottomK: [4, 0] } },
      `${RANK} (and 1 more)`,
      `${RANK} (and 1 more)`,
    ],
    [
      'different k',
      { a: { shape: MATRIX, bottom: 1, bottomK: [4, 3] } },
      'the subspaces of a have k = 4 in the live model, 3 in the reference',
      'the subspaces of a have k = 4 in the live model, 3 in the reference',
    ],
    [
      'not measured',
      { a: { shape: MATRIX }, b: { shape: MATRIX, bottom: 1, bottomK: [4, 4] } },
      'the subspace overlaps of a are missing or not finite',
      'the subspace overlaps of a are missing or not finite',
    ],
    [
      'more than orthonormal bases have',
      { a: { shape: MATRIX, bottom: 4.1, bottomK: [4, 4] } },
      'the overlap of a is 4.1, over k = 4: its bases are not orthonormal',
      'the overlap of a is 4.1, over k = 4: its bases are not orthonormal',
    ],
  ])('%s', (_, tensors, subspace, interaction) => {
    const given = statistics(tensors);
    expect(found(given, 'right_subspace_overlap_bottom_k')).toEqual(subspace);
    expect(found(given, 'interaction_matrix_overlap_bottom_k')).toEqual(interaction);
  });
});

describe('metrics of activations and input gradients', () => {
  const tensors = { a: { shape: [3] } };
  /** value of every metric by its ending */
  const values = (given: PairStatistics, kind: string) =>
    Object.fromEntries(
      Object.keys(computePairMetrics(given, 0))
        .filter((name) => name.startsWith(kind))
        .map((name) => [name.slice(kind.length + 1), found(given, name)]),
    );
  const both = (activation: number[], inputGradient: number[]) =>
    statistics(tensors, [...activation, ...inputGradient]);

  it('are those of the two vectors, each of its own', () => {
    const given = both(gramOf([3, 4], [0, 10]), gramOf([1, 0], [0, -2]));
    expect(values(given, 'activation')).toEqual({
      l2_distance: Math.sqrt(45),
      cosine_similarity: 0.8,
      magnitude_ratio: 0.5,
      dot_product: 40,
    });
    expect(values(given, 'input_gradient')).toEqual({
      l2_distance: Math.sqrt(5),
      cosine_similarity: 0,
      dot_product: 0,
    });
  });

  it('stay in their range where rounding would leave it', () => {
    const beyond = [1, 1, 1 + 1e-12, 0];
    expect(
      values(
        both(
          beyond,
          beyond.map((value) => -value + 2),
        ),
        'activation',
      ).cosine_similarity,
    ).toBe(1);
    expect(values(both(beyond, [1, 1, -1 - 1e-12, 4]), 'input_gradient').cosine_similarity).toBe(-1);
  });

  it('have no direction where a vector is shorter than 1e-8', () => {
    const given = both(gramOf([0, 0.9e-8], [1, 1]), gramOf([1], [0]));
    const short = "the norm of the live model's mean activation is 9e-9: under 1e-8";
    expect(values(given, 'activation')).toEqual({
      l2_distance: expect.closeTo(Math.SQRT2, 7),
      cosine_similarity: short,
      magnitude_ratio: short,
      dot_product: 0.9e-8,
    });
    expect(values(given, 'input_gradient')).toEqual({
      l2_distance: 1,
      cosine_similarity: "the norm of the reference's input gradient is 0: under 1e-8",
      dot_product: 0,
    });
  });

  it('are null where a number is missing or not finite, each kind by itself', () => {
    const broken = both([1, Number.NaN, 1, 1], gramOf([1], [1]));
    const reason = 'the mean activation numbers are missing or not finite';
    expect(values(broken, 'activation')).toEqual({
      l2_distance: reason,
      cosine_similarity: reason,
      magnitude_ratio: reason,
      dot_product: reason,
    });
    expect(values(broken, 'input_gradient').cosine_similarity).toBe(1);
    const infinite = both(gramOf([1], [1]), [1, 1, 1, Infinity]);
    expect(values(infinite, 'input_gradient').dot_product).toBe(
      'the input gradient numbers are missing or not finite',
    );
  });
});
