import { dotProducts } from './dot-products.js';
import { columnVectors, rowVectors } from './panels.js';
import type { DenseMatrix } from './parts.js';
import { numericalRank, type Sides } from './rank.js';
import { bidiagonalSide, gramSide, type SmallSide } from './small-side.js';
import { isZero } from './spectral-parts.js';
import { NARROW_CLUSTER } from './tridiagonal-eigen.js';
import { normaliseAt } from './vectors.js';

/** What the Gram matrix may cost a product of singular vectors, as a share: half of what rounding to float32 costs it. */
const GRAM_ERROR = 2 ** -25;

/** The first singular values of a matrix with their vectors. */
export interface Triplets {
  /** [count] descending; all of them stand out of float32 rounding, see `numericalRank` */
  readonly values: Float64Array;
  /** [count, rows of the matrix] left singular vectors as rows */
  readonly left: DenseMatrix;
  /** [count, columns of the matrix] right singular vectors as rows */
  readonly right: DenseMatrix;
}

/**
 * The `most` largest singular values with their vectors, or as many as the numerical rank where that is lower: at least one,
 * but none for a matrix of zeros. By way of the Gram matrix, and of the matrix itself where it is so ill-conditioned that the Gram
 * matrix would cost more than rounding to float32. Signs are arbitrary but for the product of left and right.
 * @throws MergeguardError where a value is NaN or infinite
 */
export function singularTriplets(matrix: DenseMatrix, most: number): Triplets {
  if (isZero(matrix)) {
    return tripletsOf(matrix, new Float64Array(0), new Float64Array(0));
  }
  const side = gramSide(matrix, NARROW_CLUSTER);
  const values = leadingValues(side, matrix, most);
  if (Number.EPSILON * (values[0]! / values.at(-1)!) ** 2 <= GRAM_ERROR) {
    return tripletsOf(matrix, values, side.vectors(0, values.length));
  }
  const precise = bidiagonalSide(matrix);
  const preciseValues = leadingValues(precise, matrix, most);
  return tripletsOf(matrix, preciseValues, precise.vectors(0, preciseValues.length));
}

function leadingValues(side: SmallSide, sides: Sides, most: number): Float64Array {
  const values = side.values(0, Math.min(most, sides.rows, sides.columns));
  return values.subarray(0, Math.max(1, numericalRank(values, sides)));
}

/** @param small [count, n] unit vectors of the shorter side */
function tripletsOf(matrix: DenseMatrix, values: Float64Array, small: Float64Array): Triplets {
  const { rows, columns } = matrix;
  const count = values.length;
  const isTall = rows >= columns;
  const one = { rows: count, columns: Math.min(rows, columns), data: small };
  const sums = dotProducts(rowVectors(one), isTall ? rowVectors(matrix) : columnVectors(matrix));
  const length = Math.max(rows, columns);
  for (let v = 0; v < count; v++) {
    normaliseAt(sums, v * length, length);
  }
  const other = { rows: count, columns: length, data: sums };
  return { values, left: isTall ? other : one, right: isTall ? one : other };
}
