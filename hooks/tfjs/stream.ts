import type { Fingerprint } from '../../src/fingerprint/index.js';
import type { GuardConfig, RunSetup } from '../../src/guard/index.js';
import type { GradientRecipe } from '../../src/metrics/index.js';
import { MergeguardError } from '../../src/tensors/index.js';

/** What a run has to measure with. */
export interface StreamSources {
  /** null without a calibration batch */
  readonly calibration: {
    /** it names a hidden layer */
    readonly hasActivation: boolean;
    /** data type of its inputs */
    readonly dtype: string;
  } | null;
  /** watched matrices with a LoRA adapter; defaults to 0 */
  readonly adapted?: number;
  /** what scores are predicted with, where the guard is in this process */
  readonly fingerprint: Fingerprint | null;
}

/** What a run's statistics will have: the guard holds the fingerprint against it. */
export type Stream = Required<Pick<RunSetup, 'unmeasured' | 'gradientKind'>>;

/** @throws MergeguardError where the configuration asks for gradients that can't be taken */
export function streamOf(
  { slow, functional, gradient }: Pick<GuardConfig, 'slow' | 'functional' | 'gradient'>,
  { calibration, fingerprint, adapted = 0 }: StreamSources,
): Stream {
  const unmeasured: Stream['unmeasured'] = {};
  if (!slow.enabled) {
    unmeasured.bottom = 'it is switched off (slow.enabled)';
    unmeasured.spectra = unmeasured.bottom;
  }
  const obstacle = obstacleToFunctional(functional.enabled, calibration !== null);
  if (obstacle !== null) {
    unmeasured.activation = obstacle;
    unmeasured.inputGradient = obstacle;
  } else if (calibration) {
    if (!calibration.hasActivation) {
      unmeasured.activation = 'the calibration batch names no hidden layer (`layer` or `activation`)';
    }
    if (calibration.dtype !== 'float32') {
      unmeasured.inputGradient = `the calibration inputs are ${calibration.dtype}, and have no gradient`;
    }
  }
  if (gradient.kind === 'calibration' && obstacle !== null) {
    throw new MergeguardError(
      `gradient.kind is "calibration", but ${obstacle}; give a calibration batch, or set gradient.kind to ema`,
    );
  }
  if (adapted > 0) {
    unmeasured.gradient = `${adapted} watched ${adapted === 1 ? 'matrix has a LoRA adapter' : 'matrices have LoRA adapters'}: the factors have gradients, the matrices themselves have none`;
  }
  if (gradient.kind === 'calibration' && unmeasured.gradient !== undefined) {
    throw new MergeguardError(
      `gradient.kind is "calibration", but ${unmeasured.gradient}; set gradient.kind to auto`,
    );
  }
  const wanted = gradient.kind === 'auto' ? fingerprint?.gradientKinds.live : gradient.kind;
  const gradientKind = wanted === 'calibration' && obstacle === null ? 'calibration' : 'ema';
  return { unmeasured, gradientKind };
}

function obstacleToFunctional(enabled: boolean, hasCalibration: boolean): string | null {
  if (!enabled) {
    return 'it is switched off (functional.enabled)';
  }
  return hasCalibration ? null : 'no calibration batch of the live task was given';
}

/** How the live gradient is made. `samples`: calibration samples that are used. */
export function recipeOf(
  kind: GradientRecipe['kind'],
  { kind: _, ...training }: GuardConfig['gradient'],
  samples: number,
): GradientRecipe {
  return kind === 'ema'
    ? { kind, ...training }
    : { kind, batch: samples, reduction: 'mean', clipped: false, accumulated: 1, lossScale: 1 };
}
