import { gramMatrix } from './gram.js';
import type { DenseMatrix } from './parts.js';
import { numericalRank } from './rank.js';
import { tridiagonalise } from './tridiagonal.js';
import { eigenvalues, eigenvectors, NARROW_CLUSTER } from './tridiagonal-eigen.js';

/**
 * (X X^T)^(-1/2) [count, count] of vectors that are the rows of X [count, length]: the matrix that makes of them the nearest
 * orthonormal ones (the orthogonal Procrustes problem, Schönemann 1966; Löwdin's symmetric orthogonalisation). A pseudo-inverse: directions
 * that the vectors have no more of than float32 rounding count as ones that they do not have, see `numericalRank`, so that what they are made is the
 * nearest partial isometry, and equal for equal vectors.
 */
export function inverseRoot(vectors: DenseMatrix): Float64Array {
  const n = vectors.rows;
  const reduced = tridiagonalise(gramMatrix(vectors, true), n);
  const squares = eigenvalues(reduced, 0, n - 1).reverse();
  const values = squares.map((square) => Math.sqrt(Math.max(square, 0)));
  const rank = numericalRank(values, vectors);
  const rows = eigenvectors(reduced, squares.subarray(0, rank), NARROW_CLUSTER);
  reduced.apply(rows, rank);
  for (let v = 0; v < rank; v++) {
    const scale = 1 / Math.sqrt(values[v]!);
    for (let i = v * n; i < (v + 1) * n; i++) {
      rows[i]! *= scale;
    }
  }
  return gramMatrix({ rows: rank, columns: n, data: rows });
}
