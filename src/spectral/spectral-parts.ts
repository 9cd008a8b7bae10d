import { MergeguardError } from '../tensors/errors.js';
import type { DenseMatrix, PartsOptions, SpectralParts } from './parts.js';
import { bottomDecider, isAboveRounding, numericalRank } from './rank.js';
import { bidiagonalSide, gramSide, type SmallSide } from './small-side.js';
import { addScaled, dotAt, orthonormaliseRows } from './vectors.js';

/** Singular values kept: `singular_value_overlap` compares the first 100 (arXiv 2601.22285). */
export const SPECTRUM_LENGTH = 100;

/** What the Gram matrix may cost the last vectors, as an angle. */
const BOTTOM_ERROR = 1e-7;
/** Singular values at the lower end are about that far from each other, as a share of themselves. */
const BOTTOM_GAP = 1e-3;

/**
 * Both ends of a matrix' singular value decomposition. k of the top is `options.k` or the numerical rank, whichever is smaller: the
 * rank counts the singular values that stand out of float32 rounding, since below that singular vectors are noise. Null for
 * a matrix of zeros.
 *
 * Unless `precise`, by way of the Gram matrix in float64; where that would cost the bottom subspace more than 1e-7, the bottom
 * alone is done the precise way. About 0.6 s for 3072 x 768, several times that where precise.
 * @throws MergeguardError where a value is NaN or infinite
 */
export function spectralParts(matrix: DenseMatrix, options: PartsOptions): SpectralParts | null {
  const { rows, columns } = matrix;
  const n = Math.min(rows, columns);
  if (isZero(matrix)) {
    return null;
  }
  const side = options.precise ? bidiagonalSide(matrix) : gramSide(matrix);
  const values = side.values(0, Math.min(n, SPECTRUM_LENGTH));
  const k = Math.min(options.k, numericalRank(values, matrix));
  const small = side.vectors(0, k);
  const long = otherSide(matrix, small, k);
  const isTall = rows >= columns;
  return {
    values,
    k,
    left: asColumns(isTall ? long : small, k),
    right: asColumns(isTall ? small : long, k),
    bottom: options.bottom ? bottomOf(matrix, side, values[0]!, options) : null,
  };
}

export function isZero({ data }: DenseMatrix): boolean {
  let zero = true;
  for (let i = 0; i < data.length; i++) {
    if (data[i] !== 0) {
      zero = false;
    }
    if (!Number.isFinite(data[i])) {
      throw new MergeguardError(`a matrix with the value ${data[i]} (at ${i}) has no singular values`);
    }
  }
  return zero;
}

/** [columns, min(k, n)], or null where which vectors come last is arbitrary. */
function bottomOf(
  matrix: DenseMatrix,
  side: SmallSide,
  largest: number,
  { k: most, precise }: PartsOptions,
): Float64Array | null {
  const { rows, columns } = matrix;
  const n = Math.min(rows, columns);
  const k = Math.min(most, n);
  const [last] = side.values(n - 1, 1);
  const isTall = rows >= columns;
  const exact = precise || isPreciseEnough(largest / last!, isTall) ? side : bidiagonalSide(matrix);
  const [deciding] = exact.values(bottomDecider(matrix, k), 1);
  if (!isAboveRounding(deciding!, largest)) {
    return null;
  }
  const small = exact.vectors(n - k, k);
  return asColumns(isTall ? small : otherSide(matrix, small, k), k);
}

/** Whether the Gram matrix, of this condition number squared, gives the last vectors to BOTTOM_ERROR. */
function isPreciseEnough(condition: number, isTall: boolean): boolean {
  const angle = (Number.EPSILON * condition ** 2) / BOTTOM_GAP;
  // The vectors of the longer side are these times the matrix, which lets the largest directions stand out once more.
  return angle * (isTall ? 1 : condition) < BOTTOM_ERROR;
}

/**
 * Unit vectors of the longer side for those of the shorter one: the matrix (transposed where it is wide) times each, rows
 * [count, length]. count m n operations.
 */
function otherSide({ rows, columns, data }: DenseMatrix, small: Float64Array, count: number): Float64Array {
  const isTall = rows >= columns;
  const n = isTall ? columns : rows;
  const length = isTall ? rows : columns;
  const long = new Float64Array(count * length);
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    row.set(data.subarray(i * columns, (i + 1) * columns));
    for (let v = 0; v < count; v++) {
      if (isTall) {
        long[v * length + i] = dotAt(row, 0, small, v * n, columns);
      } else {
        addScaled(small[v * n + i]!, row, 0, long, v * length, columns);
      }
    }
  }
  orthonormaliseRows(long, length, count);
  return long;
}

/** Rows [count, length] as columns [length, count]. */
function asColumns(vectors: Float64Array, count: number): Float64Array {
  const length = count > 0 ? vectors.length / count : 0;
  const columns = new Float64Array(vectors.length);
  for (let v = 0; v < count; v++) {
    for (let i = 0; i < length; i++) {
      columns[i * count + v] = vectors[v * length + i]!;
    }
  }
  return columns;
}
