import * as tf from '@tensorflow/tfjs';
import { stackedShape } from '../task-matrix.js';
import type { NextBasis, TrackedMatrix } from './tracked-matrix.js';

/**
 * The next V [m, columns, p] from the present one and the image A^T A V, both [m, columns, p]: A^T A V W / lambda for each matrix,
 * V W itself for directions that A does not reach, random columns for lost ones. A matrix whose numbers are not finite spoils no
 * other, and what it gets new is free of them. Call it inside tf.tidy.
 */
export function nextBasis(
  matrices: readonly TrackedMatrix[],
  steps: readonly NextBasis[],
  image: tf.Tensor,
  basis: tf.Tensor,
): tf.Tensor {
  const count = matrices.length;
  const p = basis.shape[basis.rank - 1];
  const reachesLess = steps.some((step) => typeof step === 'object' && step.rank < step.vectors.columns);
  const height = reachesLess ? 2 * p : p;
  const weights = new Float32Array(count * height * p);
  const isSame = new Uint8Array(count);
  const fresh = new Map<number, Float32Array>();
  steps.forEach((step, m) => {
    if (step === 'same') {
      isSame[m] = 1;
      return;
    }
    if (step === 'cold') {
      fresh.set(m, matrices[m].coldBasis());
      return;
    }
    const { vectors, values, rank } = step;
    for (let column = 0; column < vectors.columns; column++) {
      // The image's vectors come before the basis'.
      const first = m * height + (column < rank ? 0 : p);
      const factor = column < rank ? 1 / values[column] : 1;
      for (let i = 0; i < p; i++) {
        weights[(first + i) * p + column] = vectors.get(i, column) * factor;
      }
    }
    if (vectors.columns < p) {
      fresh.set(m, matrices[m].randomColumns(p - vectors.columns));
    }
  });
  const from = reachesLess ? tf.concat([image, basis], basis.rank - 1) : image;
  let next = tf.matMul(from, tf.tensor(weights, stackedShape(count, height, p)));
  if (isSame.includes(1)) {
    next = tf.where(tf.tensor(isSame, stackedShape(count, 1, 1), 'bool'), basis, next);
  }
  return fresh.size > 0 ? withColumns(next, count, fresh) : next;
}

/** Puts columns [columns, .] by matrix in the place of its last ones. */
function withColumns(basis: tf.Tensor, count: number, fresh: ReadonlyMap<number, Float32Array>): tf.Tensor {
  const [length, p] = basis.shape.slice(-2);
  const values = new Float32Array(basis.size);
  const isFresh = new Uint8Array(count * p);
  for (const [m, own] of fresh) {
    const width = own.length / length;
    for (let row = 0; row < length; row++) {
      const end = (m * length + row + 1) * p;
      values.set(own.subarray(row * width, (row + 1) * width), end - width);
    }
    isFresh.fill(1, (m + 1) * p - width, (m + 1) * p);
  }
  return tf.where(
    tf.tensor(isFresh, stackedShape(count, 1, p), 'bool'),
    tf.tensor(values, basis.shape),
    basis,
  );
}
