import { lowRankParts, type SpectralParts } from '../spectral/index.js';
import type { ModelAtRest } from './model.js';
import type { NamedCheckpoint, Values } from './named-checkpoint.js';
import type { SharedTensor } from './shared-tensors.js';
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
  { name, shape }: SharedTensor,
  model: ModelAtRest,
  base: NamedCheckpoint | null,
  workers: Workers,
  { slow, precise }: PartsSettings,
): Promise<SpectralParts | null> {
  const options = { k: K, bottom: slow, precise };
  const stored = await model.storedParts(name);
  if (stored !== undefined && (stored !== null || model.form(name) !== 'dense')) {
    return stored;
  }
  if (model.form(name) === 'zero') {
    return null;
  }
  if (model.form(name) === 'low-rank') {
    const factors = await model.factors(name);
    return allFinite(factors.left) && allFinite(factors.right) ? lowRankParts(factors, options) : null;
  }
  const tau = await model.tau(name, undefined, () => base!.read(name));
  if (!allFinite(tau)) {
    return null;
  }
  const [rows, columns] = shape as [number, number];
  return workers.parts({ rows, columns, data: tau }, options, `${name} of ${model.name}`);
}

function allFinite(values: Values): boolean {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]!)) {
      return false;
    }
  }
  return true;
}
