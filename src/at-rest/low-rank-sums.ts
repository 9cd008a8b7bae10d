import { Matrix, QrDecomposition } from 'ml-matrix';
import type { LowRank } from './model.js';
import type { Values } from './named-checkpoint.js';

/** Sums of two task vectors of one tensor, of which one is of low rank; no dense product is made. */
export interface PairSums {
  readonly dot: number;
  readonly distance: number;
}

/** [rows, columns] out of row-major values, in float64 */
function matrixOf(values: Values, rows: number, columns: number): Matrix {
  return Matrix.from1DArray(rows, columns, values as ArrayLike<number> as number[]);
}

/** The triangle R of a tall matrix' QR decomposition; the matrix itself where it is wide. */
function triangle(matrix: Matrix): Matrix {
  return matrix.rows > matrix.columns ? new QrDecomposition(matrix).upperTriangularMatrix : matrix;
}

/** ‖left right‖_F² from the triangles of both: O((out + in) r²). */
export function lowRankNorm({ left, right, rank }: LowRank): number {
  return productNorm(matrixOf(left, left.length / rank, rank), matrixOf(right, rank, right.length / rank));
}

function productNorm(left: Matrix, right: Matrix): number {
  return triangle(left).mmul(triangle(right.transpose()).transpose()).norm('frobenius') ** 2;
}

/** Both of low rank. The distance is the norm of [L1, -L2] [R1; R2], so that it does not cancel. */
export function lowRankPair(a: LowRank, b: LowRank): PairSums {
  const out = a.left.length / a.rank;
  const inputs = a.right.length / a.rank;
  const [la, lb] = [matrixOf(a.left, out, a.rank), matrixOf(b.left, out, b.rank)];
  const [ra, rb] = [matrixOf(a.right, a.rank, inputs), matrixOf(b.right, b.rank, inputs)];
  const dot = la.transpose().mmul(lb).mul(ra.mmul(rb.transpose())).sum();
  const left = Matrix.zeros(out, a.rank + b.rank);
  left.setSubMatrix(la, 0, 0);
  left.setSubMatrix(lb.mul(-1), 0, a.rank);
  const right = Matrix.zeros(a.rank + b.rank, inputs);
  right.setSubMatrix(ra, 0, 0);
  right.setSubMatrix(rb, a.rank, 0);
  return { dot, distance: productNorm(left, right) };
}

/** One of low rank, the other dense [out, in]: row by row of the product. O(r out in). */
export function lowRankWithDense({ left, right, rank }: LowRank, dense: Values): PairSums {
  const inputs = right.length / rank;
  const out = left.length / rank;
  const row = new Float64Array(inputs);
  let dot = 0;
  let distance = 0;
  for (let i = 0; i < out; i++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = left[i * rank + r]!;
      for (let j = 0; j < inputs; j++) {
        row[j]! += factor * right[r * inputs + j]!;
      }
    }
    for (let j = 0; j < inputs; j++) {
      const value = dense[i * inputs + j]!;
      dot += row[j]! * value;
      distance += (row[j]! - value) ** 2;
    }
  }
  return { dot, distance };
}
