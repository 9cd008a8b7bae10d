import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/** Eigenvalues under this share of the largest, of a Gram matrix of unit columns, are float32 rounding. */
const DEPENDENT = 1e-5;
/** Ritz values under this share of the largest count as zero in float32. */
const RANK_TOLERANCE = 1e-9;
/**
 * How far entries of a Gram matrix may be off, as a share of the columns' lengths: 16 times half the distance of float32's next number from 1. They
 * are long sums of products of rounded products, and libraries sum in different orders: 6 times were seen on tensorflow.
 */
const ROUNDING = 2 ** -20;

/** The Ritz vectors V w of A^T A in the span of p columns V. */
export interface Ritz {
  /** [m] squared singular values, descending */
  readonly values: readonly number[];
  /** [p, m], columns w with w^T V^T V w = 1; m is the number of independent columns of V */
  readonly vectors: Matrix;
  /** values that are not zero in float32, at most m */
  readonly rank: number;
}

/**
 * Solves gramProduct w = lambda gramBasis w, gramBasis = V^T V and gramProduct = (A V)^T (A V). Directions that
 * V has twice or not at all are left out. Null where A is zero or something is not finite.
 */
export function solveRitz(gramProduct: Matrix, gramBasis: Matrix): Ritz | null {
  const finite = [gramProduct, gramBasis].every((matrix) => matrix.to1DArray().every(Number.isFinite));
  if (!finite || gramProduct.trace() <= 0) {
    return null;
  }
  const whiten = whitening(gramBasis);
  const reduced = whiten.transpose().mmul(gramProduct).mmul(whiten);
  const { values, vectors } = descendingEigen(reduced);
  const squares = values.map((value) => Math.max(value, 0));
  const ritz = whiten.mmul(vectors);
  const rounding = roundingOf(ritz, gramProduct);
  const isZero = (value: number, j: number) => value <= Math.max(RANK_TOLERANCE * squares[0], rounding[j]);
  const zero = squares.findIndex(isZero);
  const rank = zero < 0 ? squares.length : zero;
  return rank === 0 ? null : { values: squares, vectors: ritz, rank };
}

/**
 * By how much w^T G w is off for each w, the entries of G being rounded independently. Columns that are nearly dependent have
 * large w, and what is no more than this is made of rounding, in a matrix of low rank all but the first values.
 */
function roundingOf(vectors: Matrix, gram: Matrix): number[] {
  return Array.from({ length: vectors.columns }, (_, j) => {
    let squares = 0;
    for (let i = 0; i < vectors.rows; i++) {
      squares += vectors.get(i, j) ** 2 * gram.get(i, i);
    }
    return ROUNDING * squares;
  });
}

/** [p, m] W with W^T G W = 1, the columns scaled to length one first so that no column counts for its length. */
function whitening(gram: Matrix): Matrix {
  const p = gram.rows;
  const lengths = gram.diagonal().map((square) => Math.sqrt(Math.max(square, 0)));
  const unit = Matrix.zeros(p, p);
  for (let row = 0; row < p; row++) {
    for (let column = 0; column < p; column++) {
      const product = lengths[row] * lengths[column];
      unit.set(row, column, product > 0 ? gram.get(row, column) / product : 0);
    }
  }
  const { values, vectors } = descendingEigen(unit);
  const independent = values.filter((value) => value > DEPENDENT * values[0]).length;
  const whiten = Matrix.zeros(p, independent);
  for (let row = 0; row < p; row++) {
    for (let column = 0; column < independent && lengths[row] > 0; column++) {
      whiten.set(row, column, vectors.get(row, column) / (Math.sqrt(values[column]) * lengths[row]));
    }
  }
  return whiten;
}

function descendingEigen(symmetric: Matrix): { values: number[]; vectors: Matrix } {
  const eigen = new EigenvalueDecomposition(symmetric, { assumeSymmetric: true });
  const ascending = eigen.realEigenvalues;
  const order = ascending.map((_, i) => i).sort((i, j) => ascending[j] - ascending[i]);
  return { values: order.map((i) => ascending[i]), vectors: eigen.eigenvectorMatrix.subMatrixColumn(order) };
}

/** Rows of a matrix that lies row-major in a longer array. */
export interface Rows {
  readonly width: number;
  at(row: number, column: number): number;
}

export function rowsOf(values: Float32Array, offset: number, width: number): Rows {
  return { width, at: (row, column) => values[offset + row * width + column] };
}

/** ‖C w_j‖² summed over the first k Ritz vectors, C being `count` rows of `cross`; divided by `scales[j]` if given. */
export function squaredOverlap(
  cross: Rows,
  start: number,
  count: number,
  vectors: Matrix,
  k: number,
  scales: readonly number[] | null,
): number {
  let total = 0;
  for (let j = 0; j < k; j++) {
    let column = 0;
    for (let row = start; row < start + count; row++) {
      let dot = 0;
      for (let i = 0; i < cross.width; i++) {
        dot += cross.at(row, i) * vectors.get(i, j);
      }
      column += dot * dot;
    }
    total += scales ? column / scales[j] : column;
  }
  return total;
}

/** A [size, size] matrix out of a longer array, the mean of it and its transpose. */
export function symmetricAt(values: Float32Array, offset: number, size: number): Matrix {
  const matrix = Matrix.zeros(size, size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const mirrored = values[offset + row * size + column] + values[offset + column * size + row];
      matrix.set(row, column, mirrored / 2);
    }
  }
  return matrix;
}
