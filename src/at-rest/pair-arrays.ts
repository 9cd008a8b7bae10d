import {
  FUNCTIONAL_WIDTH,
  PAIR,
  PAIR_WIDTH,
  type PairStatistics,
  SIDE,
  SIDE_WIDTH,
} from '../metrics/index.js';
import type { SpectralParts } from '../spectral/index.js';
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
    pair[PAIR.leftTop] = overlap(a.left, a.k, b.left, b.k, k);
    pair[PAIR.rightTop] = overlap(a.right, a.k, b.right, b.k, k);
    pair[PAIR.spectrum] = cosine(a.values, b.values);
    live[SIDE.bottomK] = 0;
    ref[SIDE.bottomK] = 0;
    const inputs = a.right.length / a.k;
    if (a.bottom !== null) {
      live[SIDE.bottomK] = a.bottom.length / inputs;
    }
    if (b.bottom !== null) {
      ref[SIDE.bottomK] = b.bottom.length / inputs;
    }
    if (a.bottom !== null && b.bottom !== null) {
      const width = a.bottom.length / inputs;
      pair[PAIR.rightBottom] = overlap(a.bottom, width, b.bottom, b.bottom.length / inputs, width);
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

/** ‖X^T Y‖_F² over the first k columns of two bases [length, width], row-major. */
function overlap(x: Float64Array, xWidth: number, y: Float64Array, yWidth: number, k: number): number {
  const length = xWidth > 0 ? x.length / xWidth : 0;
  const products = new Float64Array(k * k);
  for (let i = 0; i < length; i++) {
    for (let a = 0; a < k; a++) {
      const value = x[i * xWidth + a]!;
      for (let b = 0; b < k; b++) {
        products[a * k + b]! += value * y[i * yWidth + b]!;
      }
    }
  }
  let sum = 0;
  for (const product of products) {
    sum += product * product;
  }
  return sum;
}

/** Cosine of two vectors of singular values; the shorter one goes on with zeros. */
function cosine(x: Float64Array, y: Float64Array): number {
  let dot = 0;
  let xx = 0;
  let yy = 0;
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const [a, b] = [x[i] ?? 0, y[i] ?? 0];
    dot += a * b;
    xx += a * a;
    yy += b * b;
  }
  return dot / Math.sqrt(xx * yy);
}
