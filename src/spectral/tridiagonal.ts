import { addScaled, dotAt } from './vectors.js';

/** A symmetric matrix [n, n] as Q T Q^T, T tridiagonal. */
export interface Tridiagonal {
  /** [n] */
  readonly diagonal: Float64Array;
  /** [n]; entry i couples i and i + 1, the last is 0 */
  readonly offDiagonal: Float64Array;
  /** Q x for every row x of `vectors` [count, n], in place */
  apply(vectors: Float64Array, count: number): void;
}

/**
 * Householder reduction of a symmetric matrix to tridiagonal form (Golub and Van Loan, algorithm 8.3.1): 4/3 n³
 * operations, backward stable. `matrix` is overwritten.
 */
export function tridiagonalise(matrix: Float64Array, n: number): Tridiagonal {
  const diagonal = new Float64Array(n);
  const offDiagonal = new Float64Array(n);
  const factors = new Float64Array(n);
  const product = new Float64Array(n);
  // Step c maps row c right of the diagonal onto its first entry; the reflector stays in that row.
  for (let c = 0; c < n - 1; c++) {
    diagonal[c] = matrix[c * n + c]!;
    const row = matrix.subarray(c * n, (c + 1) * n);
    const { beta, factor } = reflector(row, c + 1, n);
    offDiagonal[c] = beta;
    factors[c] = factor;
    if (factor !== 0) {
      symmetricProduct(matrix, n, row, c + 1, product);
      reduce(matrix, n, row, product, factor, c + 1);
    }
  }
  if (n > 0) {
    diagonal[n - 1] = matrix[n * n - 1]!;
  }
  return { diagonal, offDiagonal, apply: rowReflections(matrix, n, factors) };
}

/**
 * What the reflections that a reduction has left in the rows of its matrix make of rows [count, n], in place: row c holds, right
 * of the diagonal, the reflector of step c, with its factor.
 */
export function rowReflections(
  matrix: Float64Array,
  n: number,
  factors: Float64Array,
): (vectors: Float64Array, count: number) => void {
  return (vectors, count) => {
    for (let c = n - 2; c >= 0; c--) {
      const row = matrix.subarray(c * n, (c + 1) * n);
      for (let v = 0; v < count; v++) {
        reflect(vectors.subarray(v * n, (v + 1) * n), row, factors[c]!, c + 1, n);
      }
    }
  };
}

/**
 * Makes x[from..to) a reflector v with v[from] = 1 such that (1 - factor v v^T) x = beta e, e the first unit vector.
 * A factor of 0 says that x is there already.
 */
export function reflector(x: Float64Array, from: number, to: number): { beta: number; factor: number } {
  let largest = 0;
  for (let i = from + 1; i < to; i++) {
    largest = Math.max(largest, Math.abs(x[i]!));
  }
  const first = x[from]!;
  if (largest === 0) {
    return { beta: first, factor: 0 };
  }
  // Divided by the largest entry, so that squares neither vanish nor overflow.
  const scale = Math.max(largest, Math.abs(first));
  let rest = 0;
  for (let i = from + 1; i < to; i++) {
    rest += (x[i]! / scale) ** 2;
  }
  const norm = scale * Math.sqrt((first / scale) ** 2 + rest);
  const beta = first > 0 ? -norm : norm;
  const divisor = first - beta;
  for (let i = from + 1; i < to; i++) {
    x[i]! /= divisor;
  }
  x[from] = 1;
  return { beta, factor: -divisor / beta };
}

/** x <- (1 - factor v v^T) x over [from, to). */
export function reflect(x: Float64Array, v: Float64Array, factor: number, from: number, to: number): void {
  if (factor !== 0) {
    addScaled(-factor * dotAt(x, from, v, from, to - from), v, from, x, from, to - from);
  }
}

/** product[from..n) = M v over the trailing block, of which the upper triangle is read; two rows a pass. */
function symmetricProduct(
  matrix: Float64Array,
  n: number,
  v: Float64Array,
  from: number,
  product: Float64Array,
): void {
  product.fill(0, from, n);
  let i = from;
  for (; i + 1 < n; i += 2) {
    const row = i * n;
    const next = row + n;
    const v0 = v[i]!;
    const v1 = v[i + 1]!;
    const between = matrix[row + i + 1]!;
    let sum0 = matrix[row + i]! * v0 + between * v1;
    let sum1 = matrix[next + i + 1]! * v1 + between * v0;
    for (let j = i + 2; j < n; j++) {
      const entry0 = matrix[row + j]!;
      const entry1 = matrix[next + j]!;
      const vj = v[j]!;
      sum0 += entry0 * vj;
      sum1 += entry1 * vj;
      product[j]! += entry0 * v0 + entry1 * v1;
    }
    product[i]! += sum0;
    product[i + 1]! += sum1;
  }
  if (i < n) {
    product[i]! += matrix[i * n + i]! * v[i]!;
  }
}

/** M <- H M H over the trailing block's upper triangle, H = 1 - factor v v^T; two rows a pass. */
function reduce(
  matrix: Float64Array,
  n: number,
  v: Float64Array,
  product: Float64Array,
  factor: number,
  from: number,
): void {
  let dot = 0;
  for (let i = from; i < n; i++) {
    product[i]! *= factor;
    dot += product[i]! * v[i]!;
  }
  addScaled((-factor * dot) / 2, v, from, product, from, n - from);
  let i = from;
  for (; i + 1 < n; i += 2) {
    const row = i * n;
    const next = row + n;
    const v0 = v[i]!;
    const w0 = product[i]!;
    const v1 = v[i + 1]!;
    const w1 = product[i + 1]!;
    matrix[row + i]! -= 2 * v0 * w0;
    for (let j = i + 1; j < n; j++) {
      const vj = v[j]!;
      const wj = product[j]!;
      matrix[row + j]! -= v0 * wj + w0 * vj;
      matrix[next + j]! -= v1 * wj + w1 * vj;
    }
  }
  if (i < n) {
    matrix[i * n + i]! -= 2 * v[i]! * product[i]!;
  }
}
