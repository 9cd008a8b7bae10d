import { type PairStatistics, SIDE, SIDE_WIDTH } from '../../src/metrics/index.js';
import type { Reference } from '../../src/reference/index.js';
import { squaredNorm } from '../../src/tensors/index.js';
import type { SharedTensor } from './layout.js';

/**
 * What never changes of the references: [R, T, 5], columns SIDE. A tensor without a gradient has NaN there.
 */
export function referenceSides(
  tensors: readonly SharedTensor[],
  references: readonly Reference[],
): Float32Array {
  const sides = new Float32Array(references.length * tensors.length * SIDE_WIDTH);
  references.forEach((reference, r) => {
    const place = new Map(reference.tensors.map(({ name }, index) => [name, index]));
    tensors.forEach(({ name, shape }, t) => {
      const cell = (r * tensors.length + t) * SIDE_WIDTH;
      const gradient = reference.gradient?.get(name);
      const k = shape.length === 2 ? (reference.subspaces.get(name)?.k ?? 0) : 0;
      sides[cell + SIDE.tauNorm] = reference.norms[place.get(name) as number];
      sides[cell + SIDE.gradientNorm] = gradient ? squaredNorm(gradient.data) : Number.NaN;
      sides[cell + SIDE.leftK] = k;
      sides[cell + SIDE.rightK] = k;
      sides[cell + SIDE.bottomK] = reference.bottoms.get(name)?.shape[1] ?? 0;
    });
  });
  return sides;
}

/** A matrix has a bottom subspace where its last singular value is more than this times its first. */
const FLOAT32_EPSILON = 2 ** -23;

/** What a reference lacks that it could have, and why. */
export function referenceAbsences(reference: Reference): PairStatistics['referenceAbsent'][number] {
  const { subspaces, spectra, bottoms, factors } = reference;
  if (subspaces.size === 0 || bottoms.size > 0 || factors.size > 0) {
    return {};
  }
  // Without this a reference of dense matrices of low rank would be told to be made again, for nothing.
  const hasFullRank = [...spectra.values()].some(
    (values) => values[values.length - 1] > FLOAT32_EPSILON * values[0],
  );
  return hasFullRank
    ? {
        bottom: `reference ${reference.name} stores no bottom subspaces, as those made by an older version do; make it again`,
      }
    : {};
}
