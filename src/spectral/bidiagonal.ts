import type { DenseMatrix } from './parts.js';
import { reflect, reflector, rowReflections } from './tridiagonal.js';
import { reflectPair } from './vectors.js';

/** Rows that are taken into the triangle at a time. */
const BLOCK_ROWS = 512;

/**
 * The triangle R of A = Q R, [n, n] row-major, by Householder reflections, a block of rows at a time, so that no copy of A is
 * made; with `ofRows` that of A^T. Needs at least as many rows (columns) as n, the columns (rows). 2 m n² operations.
 */
export function triangleOf({ rows, columns, data }: DenseMatrix, ofRows = false): Float64Array {
  const n = ofRows ? rows : columns;
  const long = ofRows ? columns : rows;
  const triangle = new Float64Array(n * n);
  // Column c of the block lies at c * stride, behind a place for the entry of the triangle that is being changed.
  const stride = BLOCK_ROWS + 1;
  const block = new Float64Array((n + 1) * stride);
  for (let start = 0; start < long; start += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, long - start);
    for (let c = 0; c < n; c++) {
      const from = ofRows ? c * columns + start : start * columns + c;
      const step = ofRows ? 1 : columns;
      for (let i = 0; i < count; i++) {
        block[c * stride + 1 + i] = data[from + i * step]!;
      }
    }
    takeIn(triangle, n, block, stride, count + 1);
  }
  return triangle;
}

/** [R; block] -> [R'; 0]. The reflection of column j moves row j of R and the whole block. */
function takeIn(
  triangle: Float64Array,
  n: number,
  block: Float64Array,
  stride: number,
  length: number,
): void {
  for (let j = 0; j < n; j++) {
    const column = block.subarray(j * stride, j * stride + length);
    column[0] = triangle[j * n + j]!;
    const { beta, factor } = reflector(column, 0, length);
    triangle[j * n + j] = beta;
    if (factor === 0) {
      continue;
    }
    for (let c = j + 1; c < n; c += 2) {
      // The last column of an odd number is paired with the place behind the block, which nobody reads.
      const one = c * stride;
      const other = (c + 1) * stride;
      block[one] = triangle[j * n + c]!;
      block[other] = c + 1 < n ? triangle[j * n + c + 1]! : 0;
      reflectPair(block, one, other, column, factor, length);
      triangle[j * n + c] = block[one]!;
      if (c + 1 < n) {
        triangle[j * n + c + 1] = block[other]!;
      }
    }
  }
}

/** A square matrix [n, n] as P B W^T, B upper bidiagonal. */
export interface Bidiagonal {
  /** [n] */
  readonly diagonal: Float64Array;
  /** [n]; entry i stands right of diagonal entry i, the last is 0 */
  readonly superDiagonal: Float64Array;
  /** W x for every row x of `vectors` [count, n], in place */
  apply(vectors: Float64Array, count: number): void;
}

/** Golub and Kahan's reduction (Golub and Van Loan, algorithm 5.4.2): 8/3 n³ operations. `matrix` is overwritten. */
export function bidiagonalise(matrix: Float64Array, n: number): Bidiagonal {
  const diagonal = new Float64Array(n);
  const superDiagonal = new Float64Array(n);
  const factors = new Float64Array(n);
  const column = new Float64Array(n);
  const sums = new Float64Array(n);
  for (let c = 0; c < n; c++) {
    for (let i = c; i < n; i++) {
      column[i] = matrix[i * n + c]!;
    }
    const left = reflector(column, c, n);
    diagonal[c] = left.beta;
    if (left.factor !== 0) {
      reflectRows(matrix, n, column, left.factor, c, sums);
    }
    if (c === n - 1) {
      break;
    }
    const row = matrix.subarray(c * n, (c + 1) * n);
    const right = reflector(row, c + 1, n);
    superDiagonal[c] = right.beta;
    factors[c] = right.factor;
    for (let i = c + 1; i < n; i++) {
      reflect(matrix.subarray(i * n, (i + 1) * n), row, right.factor, c + 1, n);
    }
  }
  return { diagonal, superDiagonal, apply: rowReflections(matrix, n, factors) };
}

/** (1 - factor u u^T) M over rows c.. and the columns after c, row by row. */
function reflectRows(
  matrix: Float64Array,
  n: number,
  u: Float64Array,
  factor: number,
  c: number,
  sums: Float64Array,
): void {
  sums.fill(0, c + 1, n);
  // Two rows a pass; the last of an odd number counts twice with a weight of zero.
  for (let i = c; i < n; i += 2) {
    const next = i + 1 < n ? i + 1 : i;
    const u0 = u[i]!;
    const u1 = next === i ? 0 : u[next]!;
    for (let j = c + 1; j < n; j++) {
      sums[j]! += u0 * matrix[i * n + j]! + u1 * matrix[next * n + j]!;
    }
  }
  for (let i = c; i < n; i++) {
    const scale = factor * u[i]!;
    for (let j = c + 1; j < n; j++) {
      matrix[i * n + j]! -= scale * sums[j]!;
    }
  }
}
