import {
  FUNCTIONAL_WIDTH,
  PAIR,
  PAIR_WIDTH,
  type PairStatistics,
  SIDE,
  SIDE_WIDTH,
} from '../metrics/index.js';
import { type SpectralParts, spectrumCosine, squaredOverlap } from '../spectral/index.js';
import type { SharedTensor } from './shared-tensors.js';

/** What is known of one model's tensor: ‖tau‖² and, for a matrix, its decomposition. */
export interface TensorSide {
  readonly norm: number;
  readonly parts: SpectralParts | null;
}

/** The arrays of PairStatistics of one pair of models, filled tensor by tensor. */
export class PairArrays {
  readonly #pair: Float64Array;
  readonly #live: Float64Array;
  readonly #ref: Float64Array;

  constructor(tensors: number) {
    this.#pair = new Float64Array(tensors * PAIR_WIDTH).fill(Number.NaN);
    this.#live = new Float64Array(tensors * SIDE_WIDTH).fill(Number.NaN);
    this.#ref = new Float64Array(tensors * SIDE_WIDTH).fill(Number.NaN);
  }

  /** O(k² (out + in)) where both sides are decomposed. */
  set(t: number, one: TensorSide, other: TensorSide, sums: { dot: number; distance: number }): void {
    const pair = this.#pair.subarray(t * PAIR_WIDTH, (t + 1) * PAIR_WIDTH);
    const live = this.#live.subarray(t * SIDE_WIDTH, (t + 1) * SIDE_WIDTH);
    const ref = this.#ref.subarray(t * SIDE_WIDTH, (t + 1) * SIDE_WIDTH);
    live[SIDE.tauNorm] = one.norm;
    ref[SIDE.tauNorm] = other.norm;
    pair[PAIR.tauDot] = sums.dot;
    pair[PAIR.tauDistance] = sums.distance;
    const [a, b] = [one.parts, other.parts];
    if (a === null || b === null) {
      return;
    }
    // Adapters of different rank are compared over the directions that both have.
    const k = Math.min(a.k, b.k);
    for (const side of [live, ref]) {
      side[SIDE.leftK] = k;
      side[SIDE.rightK] = k;
    }
    const top = (data: Float64Array, width: number) => ({ data, width, count: k });
    pair[PAIR.leftTop] = squaredOverlap(top(a.left, a.k), top(b.left, b.k));
    pair[PAIR.rightTop] = squaredOverlap(top(a.right, a.k), top(b.right, b.k));
    pair[PAIR.spectrum] = spectrumCosine(a.values, b.values);
    // Two widths say by themselves that the bottoms do not compare.
    live[SIDE.bottomK] = bottomWidth(a);
    ref[SIDE.bottomK] = bottomWidth(b);
    if (a.bottom !== null && b.bottom !== null) {
      pair[PAIR.rightBottom] = squaredOverlap(
        { data: a.bottom, width: bottomWidth(a) },
        { data: b.bottom, width: bottomWidth(b) },
      );
    }
  }

  /** @param slow whether bottom subspaces were looked for */
  statistics(
    live: string,
    reference: string,
    tensors: readonly SharedTensor[],
    slow: boolean,
  ): PairStatistics {
    const why = 'models at rest have only weights: this needs their data';
    return {
      run: live,
      step: 0,
      time: new Date().toISOString(),
      references: [reference],
      tensors,
      pair: this.#pair,
      live: this.#live,
      ref: this.#ref,
      functional: new Float64Array(FUNCTIONAL_WIDTH).fill(Number.NaN),
      gradient: null,
      referenceGradients: [null],
      absent: {
        gradient: why,
        activation: why,
        inputGradient: why,
        ...(slow ? {} : { bottom: 'left out, as was asked', spectra: 'left out, as was asked' }),
      },
      referenceAbsent: [{}],
      measuredAt: {},
      selfProbe: null,
    };
  }
}

function bottomWidth({ bottom, right, k }: SpectralParts): number {
  return bottom === null ? 0 : bottom.length / (right.length / k);
}
