import { lowRankParts, type SpectralParts } from '../spectral/index.js';
import type { LowRank, ModelAtRest } from './model.js';
import type { NamedCheckpoint, Values } from './named-checkpoint.js';
import type { SharedTensor } from './shared-tensors.js';
import { fittedParts } from './stored-parts.js';
import type { Workers } from './workers.js';

/** Singular vectors a side, as the study has them (arXiv 2601.22285). */
export const K = 10;

export interface PartsSettings {
  /** the bottom subspaces too */
  readonly slow: boolean;
  readonly precise: boolean;
}

/**
 * Decomposition of one model's task matrix: stored, from its factors, or computed. Null for a matrix of zeros, or of
 * values that are not finite.
 */
export async function tensorParts(
  tensor: SharedTensor,
  model: ModelAtRest,
  base: NamedCheckpoint | null,
  workers: Workers,
  settings: PartsSettings,
): Promise<SpectralParts | null> {
  const { name, shape } = tensor;
  const form = model.form(name);
  if (form === 'zero') {
    return null;
  }
  const stored = await model.storedParts(name);
  if (stored !== undefined && stored !== null) {
    const [rows, columns] = shape as [number, number];
    const fitted = fittedParts(stored, { rows, columns }, { k: K, bottom: settings.slow });
    if (fitted !== undefined) {
      return fitted;
    }
  }
  if (form === 'low-rank') {
    return factorParts(await model.factors(name), settings);
  }
  const tau = await model.tau(name, undefined, () => base!.read(name));
  return denseParts(tau, tensor, `${name} of ${model.name}`, workers, settings);
}

/** Of a product of factors. */
export function factorParts(factors: LowRank, { slow, precise }: PartsSettings): SpectralParts | null {
  const isSound = allFinite(factors.left) && allFinite(factors.right);
  return isSound ? lowRankParts(factors, { k: K, bottom: slow, precise }) : null;
}

/** Of a task vector, which is gone afterwards. @param label what errors call it */
export async function denseParts(
  tau: Values,
  { shape }: SharedTensor,
  label: string,
  workers: Workers,
  { slow, precise }: PartsSettings,
): Promise<SpectralParts | null> {
  if (!allFinite(tau)) {
    return null;
  }
  const [rows, columns] = shape as [number, number];
  return workers.parts({ rows, columns, data: tau }, { k: K, bottom: slow, precise }, label);
}

export function allFinite(values: Values): boolean {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]!)) {
      return false;
    }
  }
  return true;
}
