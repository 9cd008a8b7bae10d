/**
 * PairStatistics: what a tap measures on the device in one tick, and the only thing that crosses from a
 * training process to the guard. Everything after it is pure arithmetic on these numbers.
 *
 * R references, T shared tensors. A cell that was not measured is NaN; `absent` says why, by part.
 */

/** Columns of `pair[r, t]`. tau is live minus base, g the loss gradient. */
export const PAIR = {
  /** tau_live . tau_ref */
  tauDot: 0,
  /** ‖tau_live - tau_ref‖², summed directly (norms minus dots cancel in float32) */
  tauDistance: 1,
  /** g_live . g_ref */
  gradientDot: 2,
  /** ‖g_live - g_ref‖² */
  gradientDistance: 3,
  /** ‖U_live^T U_ref‖_F² of the top-k left singular vectors; NaN for tensors that are not 2-D */
  leftTop: 4,
  /** ‖V_live^T V_ref‖_F² of the top-k right singular vectors */
  rightTop: 5,
  /** the same of the last k left singular vectors of the thin SVD (slow lane) */
  leftBottom: 6,
  /** the same of the last k right ones (slow lane) */
  rightBottom: 7,
} as const;
export const PAIR_WIDTH = 8;

/** Columns of `live[t]` and `ref[r, t]`. */
export const SIDE = {
  /** ‖tau‖² */
  tauNorm: 0,
  /** ‖g‖² */
  gradientNorm: 1,
  /** k used for the left subspaces (0 for tensors that are not 2-D) */
  leftK: 2,
  /** k used for the right subspaces */
  rightK: 3,
} as const;
export const SIDE_WIDTH = 4;

/** How a gradient was made. Metrics of gradients with different recipes do not compare. */
export interface GradientRecipe {
  /** `ema`: moving average over training steps; `calibration`: mean over a calibration batch of the finished model */
  kind: 'ema' | 'calibration';
  /** samples in one gradient evaluation, if known */
  batch: number | null;
  /** how the loss is reduced over the batch */
  reduction: 'mean' | 'sum';
  /** gradients were clipped before they were seen */
  clipped: boolean;
  /** micro-batches accumulated into one gradient */
  accumulated: number;
  /** factor still multiplied into the gradient (mixed precision); 1 where none */
  lossScale: number;
}

/** Parts of a PairStatistics that can be missing as a whole. */
export type Part = 'gradient' | 'subspace' | 'bottom' | 'spectra' | 'functional';

export interface SelfProbe {
  /** s of base + s tau */
  scale: number;
  /** accuracy of the live model (fraction, 0..1) on the calibration batch */
  accuracy: number;
  /** accuracy at base + s tau */
  scaledAccuracy: number;
  /** mean cross-entropy of the live model */
  loss: number;
  scaledLoss: number;
  samples: number;
  /** step at which it was taken */
  step: number;
}

export interface PairStatistics {
  /** the run's id */
  run: string;
  /** optimiser steps taken so far */
  step: number;
  /** ISO 8601 UTC */
  time: string;
  /** names of the R references */
  references: readonly string[];
  /** canonical names of the T shared tensors, and their shapes with matrices as [out, in] */
  tensors: readonly { name: string; shape: readonly number[] }[];
  /** [R, T, 8] row-major, columns PAIR */
  pair: Float32Array | Float64Array;
  /** [T, 4], columns SIDE */
  live: Float32Array | Float64Array;
  /** [R, T, 4], columns SIDE */
  ref: Float32Array | Float64Array;
  /** recipe of the live gradient, null before the first fold */
  gradient: GradientRecipe | null;
  /** recipes of the references' gradients, null where a reference has none */
  referenceGradients: readonly (GradientRecipe | null)[];
  /** reason by part, for what is missing for every reference */
  absent: Partial<Record<Part, string>>;
  /** last self-probe, null where none was taken yet or no calibration batch was given */
  selfProbe: SelfProbe | null;
}
