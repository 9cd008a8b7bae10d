import { gramMatrix } from './gram.js';
import type { DenseMatrix } from './parts.js';
import { numericalRank } from './rank.js';
import { tridiagonalise } from './tridiagonal.js';
import { eigenvalues, eigenvectors, NARROW_CLUSTER } from './tridiagonal-eigen.js';

/**
 * (X X^T)^(-1/2) [count, count] of vectors that are the rows of X [count, length]: what takes them to the nearest orthonormal ones
 * (Löwdin's symmetric orthogonalisation, the orthogonal Procrustes problem). A pseudo-inverse: a direction in which the vectors
 * have no more than float32 rounding (see `numericalRank`) is one that they do not have, so that dependent vectors
 * are taken to an orthonormal basis' share of each, and equal ones to equal ones.
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
