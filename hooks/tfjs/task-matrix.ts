import * as tf from '@tensorflow/tfjs';

/** A live task matrix A [rows, columns], to be multiplied with thin ones. Call its methods inside tf.tidy. */
export interface TaskMatrix {
  /** A V [rows, p] of V [columns, p] */
  times(vectors: tf.Tensor2D): tf.Tensor2D;
  /** A^T U [columns, p] of U [rows, p] */
  transposedTimes(vectors: tf.Tensor2D): tf.Tensor2D;
}

/** A matrix as a product of two thin ones, which is not made. */
export interface LowRankTensors {
  /** [rows, r] */
  readonly left: tf.Tensor2D;
  /** [r, columns] */
  readonly right: tf.Tensor2D;
}

export function denseMatrix(matrix: tf.Tensor2D): TaskMatrix {
  return {
    times: (vectors) => tf.matMul(matrix, vectors),
    transposedTimes: (vectors) => tf.matMul(matrix, vectors, true, false),
  };
}

/** O((rows + columns) r p) a product. */
export function lowRankMatrix({ left, right }: LowRankTensors): TaskMatrix {
  return {
    times: (vectors) => tf.matMul(left, tf.matMul(right, vectors)),
    transposedTimes: (vectors) => tf.matMul(right, tf.matMul(left, vectors, true, false), true, false),
  };
}
