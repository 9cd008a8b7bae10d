import { Matrix } from 'ml-matrix';
import { dense, slowParts } from '../spectral/matrices.js';

/** Directions under this share of the largest are none, in what has no directions near it. */
const NULL = 1e-5;

/** U_perp S V_perp^T as the paper has it, by the decompositions of a library. */
export function slowTsv(taus: readonly Matrix[]): Matrix {
  const [{ rows, columns }] = taus as [Matrix];
  const share = Math.max(1, Math.floor(Math.min(rows, columns) / taus.length));
  const left: number[][] = [];
  const right: number[][] = [];
  const values: number[] = [];
  for (const tau of taus) {
    const parts = slowParts(dense(tau, Float64Array));
    parts.values.slice(0, share).forEach((value, i) => {
      if (value > NULL * parts.values[0]!) {
        values.push(value);
        left.push(parts.left.getColumn(i));
        right.push(parts.right.getColumn(i));
      }
    });
  }
  if (values.length === 0) {
    return Matrix.zeros(rows, columns);
  }
  return nearestOrthonormal(new Matrix(left).transpose())
    .mmul(Matrix.diag(values))
    .mmul(nearestOrthonormal(new Matrix(right).transpose()).transpose());
}

/** P Q^T of P Σ Q^T, over the directions that are there. */
function nearestOrthonormal(vectors: Matrix): Matrix {
  return withEqualValues(vectors, () => 1);
}

/** Iso-C by the decomposition of a library. */
export function slowIsotropic(taus: readonly Matrix[]): Matrix {
  const sum = taus.reduce((all, tau) => Matrix.add(all, tau));
  return withEqualValues(sum, (values) => values.reduce((x, y) => x + y, 0) / values.length);
}

function withEqualValues(matrix: Matrix, value: (values: number[]) => number): Matrix {
  const { values, left, right } = slowParts(dense(matrix, Float64Array));
  const kept = values.filter((one) => one > NULL * values[0]!);
  if (kept.length === 0) {
    return Matrix.zeros(matrix.rows, matrix.columns);
  }
  const last = kept.length - 1;
  return left
    .subMatrix(0, matrix.rows - 1, 0, last)
    .mmul(right.subMatrix(0, matrix.columns - 1, 0, last).transpose())
    .mul(value(kept));
}

/** The best approximation of this rank. */
export function bestOfRank(matrix: Matrix, rank: number): Matrix {
  const { values, left, right } = slowParts(dense(matrix, Float64Array));
  return left.mmul(Matrix.diag(values.map((value, i) => (i < rank ? value : 0)))).mmul(right.transpose());
}
