import { bidiagonalise, triangleOf } from './bidiagonal.js';
import { gramMatrix } from './gram.js';
import type { DenseMatrix } from './parts.js';
import { tridiagonalise } from './tridiagonal.js';
import { eigenvalues, eigenvectors, type TridiagonalEntries } from './tridiagonal-eigen.js';
import { orthonormaliseRows } from './vectors.js';

/**
 * Singular values of a matrix, and its singular vectors on its shorter side (right ones where it has at least as many rows as
 * columns, else left ones). Rank 0 is the largest.
 */
export interface SmallSide {
  /** descending */
  values(firstRank: number, count: number): Float64Array;
  /** unit vectors as rows [count, n], n the length of the shorter side */
  vectors(firstRank: number, count: number): Float64Array;
}

/**
 * By the eigenvalues of the Gram matrix: m n² + 4/3 n³ operations. Relative errors grow with the square of the condition number:
 * what lies under 1e-8 of the largest singular value is rounding.
 * @param cluster see `eigenvectors`
 */
export function gramSide(matrix: DenseMatrix, cluster?: number): SmallSide {
  const n = Math.min(matrix.rows, matrix.columns);
  const reduced = tridiagonalise(gramMatrix(matrix, matrix.rows < matrix.columns), n);
  const squares = (firstRank: number, count: number) =>
    eigenvalues(reduced, n - firstRank - count, n - 1 - firstRank).reverse();
  return {
    values: (firstRank, count) => squares(firstRank, count).map((square) => Math.sqrt(Math.max(square, 0))),
    vectors(firstRank, count) {
      const vectors = eigenvectors(reduced, squares(firstRank, count), cluster);
      reduced.apply(vectors, count);
      return vectors;
    },
  };
}

/**
 * By a bidiagonal form of the matrix itself: 2 m n² + 8/3 n³ operations, all singular values to a rounding error of the largest. The
 * eigenvalues of [[0, B^T], [B, 0]] are the singular values of B and their negatives, and with rows and columns in turn
 * it is tridiagonal (Golub and Kahan 1965).
 */
export function bidiagonalSide(matrix: DenseMatrix): SmallSide {
  const n = Math.min(matrix.rows, matrix.columns);
  // A square matrix gains nothing from being made a triangle first.
  const square =
    matrix.rows === matrix.columns
      ? Float64Array.from(matrix.data)
      : triangleOf(matrix, matrix.rows < matrix.columns);
  const reduced = bidiagonalise(square, n);
  const doubled: TridiagonalEntries = {
    diagonal: new Float64Array(2 * n),
    offDiagonal: new Float64Array(2 * n),
  };
  for (let i = 0; i < n; i++) {
    doubled.offDiagonal[2 * i] = reduced.diagonal[i]!;
    doubled.offDiagonal[2 * i + 1] = reduced.superDiagonal[i]!;
  }
  const values = (firstRank: number, count: number) =>
    eigenvalues(doubled, 2 * n - firstRank - count, 2 * n - 1 - firstRank)
      .reverse()
      .map((value) => Math.max(value, 0));
  return {
    values,
    vectors(firstRank, count) {
      const both = eigenvectors(doubled, values(firstRank, count));
      const vectors = new Float64Array(count * n);
      for (let i = 0; i < vectors.length; i++) {
        // Right and left entries in turn, half of the squared length each.
        vectors[i] = both[2 * i]! * Math.SQRT2;
      }
      // Except for values near zero, whose vectors mix with those of their negatives: right halves of any length, at any angle.
      orthonormaliseRows(vectors, n, count);
      reduced.apply(vectors, count);
      return vectors;
    },
  };
}
