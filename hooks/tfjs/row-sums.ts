import * as tf from '@tensorflow/tfjs';

/** Elements that are summed in one go: longer float32 sums lose digits. */
const BLOCK = 128;

/** [n, size] to the sums of its rows [n], in two stages. Call it inside tf.tidy. */
export function rowSums(matrix: tf.Tensor2D): tf.Tensor1D {
  const [rows, size] = matrix.shape;
  const blocks = Math.ceil(size / BLOCK);
  const padded = tf.pad(matrix, [
    [0, 0],
    [0, blocks * BLOCK - size],
  ]);
  return tf.sum(tf.sum(tf.reshape(padded, [rows, blocks, BLOCK]), 2), 1);
}
