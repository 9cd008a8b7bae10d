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
  /** cosine of the two vectors of the largest singular values, at most 100 (slow lane) */
  spectrum: 6,
  /** ‖V_live^T V_ref‖_F² of the last k right singular vectors of the thin SVD (slow lane) */
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
  /**
   * k used for the bottom subspaces; 0 where there is none: the tensor is not 2-D, or its task vector has not full
   * rank, so that which vectors come last is arbitrary. NaN where it was not looked at; UNMOVED where the slow lane
   * looked before the tensor had moved from the base.
   */
  bottomK: 4,
} as const;
/** In SIDE.bottomK: there were neither singular values nor a bottom subspace to measure yet. */
export const UNMOVED = -1;
export const SIDE_WIDTH = 5;

/**
 * Columns of `functional[r]` (slow lane). h is the mean activation of one named layer over the calibration inputs of
 * both tasks; q the loss gradient with respect to the inputs, each model on its own samples, laid end to end.
 */
export const FUNCTIONAL = {
  /** ‖h_live‖², over the inputs pooled with this reference's */
  activationLive: 0,
  /** ‖h_ref‖² */
  activationReference: 1,
  /** h_live . h_ref */
  activationDot: 2,
  /** ‖h_live - h_ref‖² */
  activationDistance: 3,
  /** ‖q_live‖² */
  inputGradientLive: 4,
  /** ‖q_ref‖² */
  inputGradientReference: 5,
  /** q_live . q_ref */
  inputGradientDot: 6,
  /** ‖q_live - q_ref‖² */
  inputGradientDistance: 7,
} as const;
export const FUNCTIONAL_WIDTH = 8;

/** Columns of `turns.live[r, t]`: SIDE.tauNorm and SIDE.gradientNorm. */
export const TURN_WIDTH = 2;

/**
 * Where references take turns, since the device has no room for all of them: a pair that a tick leaves out keeps the numbers of its
 * task vectors and gradients from the last one that compared it. Its subspaces are of this tick all the same.
 */
export interface Turns {
  /** [R] step at which the pair was last compared; null before the first time */
  readonly measuredAt: readonly (number | null)[];
  /** [R, T, 2] ‖tau‖² and ‖g‖² of the live model then, which the pair's numbers go with; NaN before the first time */
  readonly live: Float32Array | Float64Array;
}

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
export const PARTS = ['gradient', 'subspace', 'bottom', 'spectra', 'activation', 'inputGradient'] as const;
export type Part = (typeof PARTS)[number];

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
  /** [T, 5], columns SIDE */
  live: Float32Array | Float64Array;
  /** [R, T, 5], columns SIDE */
  ref: Float32Array | Float64Array;
  /** [R, 8], columns FUNCTIONAL */
  functional: Float32Array | Float64Array;
  /** recipe of the live gradient, null before the first fold */
  gradient: GradientRecipe | null;
  /** recipes of the references' gradients, null where a reference has none */
  referenceGradients: readonly (GradientRecipe | null)[];
  /** reason by part, for what is missing for every reference */
  absent: Partial<Record<Part, string>>;
  /** [R] the same for what a single reference lacks */
  referenceAbsent: readonly Partial<Record<Part, string>>[];
  /** step at which a part that is older than this tick was measured (its oldest tensor); none: in this tick */
  measuredAt: Partial<Record<Part, number>>;
  /** absent where this tick has compared every pair */
  turns?: Turns;
  /** last self-probe, null where none was taken yet or no calibration batch was given */
  selfProbe: SelfProbe | null;
}
