import { SIDE, SIDE_WIDTH } from '../../src/metrics/index.js';
import type { Reference } from '../../src/reference/index.js';
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
      const k = shape.length === 2 ? (reference.subspaces.get(name)?.k ?? 0) : 0;
      sides[cell + SIDE.tauNorm] = reference.norms[place.get(name) as number];
      sides[cell + SIDE.gradientNorm] = squaredNorm(reference.gradient?.get(name)?.data);
      sides[cell + SIDE.leftK] = k;
      sides[cell + SIDE.rightK] = k;
      sides[cell + SIDE.bottomK] = reference.bottoms.get(name)?.shape[1] ?? 0;
    });
  });
  return sides;
}

function squaredNorm(data: Float32Array | undefined): number {
  if (!data) {
    return Number.NaN;
  }
  let sum = 0;
  for (const value of data) {
    sum += value * value;
  }
  return sum;
}
