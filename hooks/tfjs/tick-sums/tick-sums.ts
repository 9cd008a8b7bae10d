import type * as tf from '@tensorflow/tfjs';
import type { FlatLayout } from '../flat-layout.js';
import type { GradientAverage } from '../gradient-average.js';
import type { LiveTau } from '../live-tau.js';
import type { ReferenceVectors } from '../reference-vectors.js';

/** Rows of a tick's sums: these two of the live model, then ROWS_PER_REFERENCE for each reference, in this order. */
export const LIVE_ROW = { tau: 0, gradient: 1 } as const;
export const LIVE_ROWS = 2;
export const REFERENCE_ROW = { tauDot: 0, tauDistance: 1, gradientDot: 2, gradientDistance: 3 } as const;
export const ROWS_PER_REFERENCE = 4;

/** One reference's vectors, in the chunks of the layout. */
export interface ReferenceParts {
  readonly tau: ReferenceVectors;
  /** null where gradients are not compared */
  readonly gradient: ReferenceVectors | null;
}

/** What sums need of them. */
export type Chunks = Pick<ReferenceVectors, 'chunk'>;

/** What sums are taken of. */
export interface SumSources {
  readonly layout: FlatLayout;
  /** by tensor */
  readonly taus: readonly LiveTau[];
  /** null where gradients are never measured */
  readonly gradients: GradientAverage | null;
  readonly references: readonly { readonly tau: Chunks; readonly gradient: Chunks | null }[];
}

/**
 * The sums by tensor that a tick reads back: squared lengths of the live task vector and gradient, and dot products and
 * squared distances with every reference. Ways of taking them differ in what they move through the device's memory; the floor
 * is every operand once: 4 D (3 + 2 R) bytes for D parameters (weights, base, gradient) and R references (task vector, gradient).
 */
export interface TickSums {
  /**
   * Of chunk c, with the references `watched` (indices, in this order): rows one after the other,
   * [(LIVE_ROWS + ROWS_PER_REFERENCE * watched) * tensors of the chunk]. A sum over anything that is not finite is NaN, and it
   * alone; rows of gradients that there are none of are NaN. Call it inside tf.tidy.
   * @param dense the live task vector of a tensor, in its own layout; made when first asked for
   */
  measure(c: number, dense: (tensor: number) => tf.Tensor, watched: readonly number[]): tf.Tensor1D;
  dispose(): void;
}
