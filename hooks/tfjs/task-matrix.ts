import * as tf from '@tensorflow/tfjs';

/** A live task matrix [rows, columns] by what it is made of. */
export type TaskMatrix = MatrixDifference | LowRankTensors;

/** A matrix as the difference of two [rows, columns], which is not made. */
export interface MatrixDifference {
  readonly weights: tf.Tensor2D;
  readonly base: tf.Tensor2D;
}

/** A matrix as a product of two thin ones, which is not made. */
export interface LowRankTensors {
  /** [rows, r] */
  readonly left: tf.Tensor2D;
  /** [r, columns] */
  readonly right: tf.Tensor2D;
}

/** Live task matrices A [m, rows, columns], to be multiplied with thin ones; see stackedShape. Call its methods inside tf.tidy. */
export interface TaskMatrices {
  /** A V [m, rows, p] of V [m, columns, p] */
  times(vectors: tf.Tensor): tf.Tensor;
  /** A^T U [m, columns, p] of U [m, rows, p] */
  transposedTimes(vectors: tf.Tensor): tf.Tensor;
}

/** Matrices of one shape, all differences or all products of the same rank. Call it inside tf.tidy. */
export function stackMatrices(matrices: readonly TaskMatrix[]): TaskMatrices {
  const products = matrices.filter((matrix) => 'left' in matrix);
  if (products.length > 0) {
    return lowRankMatrices(
      stack(products.map(({ left }) => left)),
      stack(products.map(({ right }) => right)),
    );
  }
  const differences = matrices.filter((matrix) => 'base' in matrix);
  return denseMatrices(
    tf.tidy(() =>
      tf.sub(stack(differences.map(({ weights }) => weights)), stack(differences.map(({ base }) => base))),
    ),
  );
}

/** Of m matrices [rows, columns]: one alone is no stack, backends multiply two matrices in less time than two stacks of one. */
export function stackedShape(m: number, rows: number, columns: number): number[] {
  return m === 1 ? [rows, columns] : [m, rows, columns];
}

function stack(matrices: tf.Tensor2D[]): tf.Tensor {
  return matrices.length === 1 ? matrices[0] : tf.stack(matrices);
}

function denseMatrices(matrices: tf.Tensor): TaskMatrices {
  return {
    times: (vectors) => tf.matMul(matrices, vectors),
    transposedTimes: (vectors) => tf.matMul(matrices, vectors, true, false),
  };
}

/** O((rows + columns) r p) a product. */
function lowRankMatrices(left: tf.Tensor, right: tf.Tensor): TaskMatrices {
  return {
    times: (vectors) => tf.matMul(left, tf.matMul(right, vectors)),
    transposedTimes: (vectors) => tf.matMul(right, tf.matMul(left, vectors, true, false), true, false),
  };
}
