import { Matrix, QrDecomposition, SVD } from 'ml-matrix';
import { MergeguardError } from '../tensors/errors.js';
import type { DenseMatrix, PartsOptions, SpectralParts } from './parts.js';
import { bottomDecider, isAboveRounding, numericalRank } from './rank.js';
import { SPECTRUM_LENGTH, spectralParts } from './spectral-parts.js';

/** A matrix [rows, columns] as the product left right, both row-major. */
export interface LowRankMatrix {
  /** [rows, rank] */
  readonly left: ArrayLike<number>;
  /** [rank, columns] */
  readonly right: ArrayLike<number>;
  readonly rank: number;
}

/**
 * Both ends of the singular value decomposition of left right, [out, r] and [r, in], from the QR decompositions of the two
 * factors: O((out + in) r²), the product is not made unless its rank is nearly full. Null where it is zero.
 * @throws MergeguardError where a value is NaN or infinite
 */
export function lowRankParts(factors: LowRankMatrix, options: PartsOptions): SpectralParts | null {
  const { rank } = factors;
  const { k: most } = options;
  // The decomposition would give some numbers all the same.
  for (const values of [factors.left, factors.right]) {
    const at = Array.prototype.findIndex.call(values, (value) => !Number.isFinite(value));
    if (at >= 0) {
      throw new MergeguardError(`factors with the value ${values[at]} (at ${at}) have no singular values`);
    }
  }
  const out = factors.left.length / rank;
  const inputs = factors.right.length / rank;
  const left = orthonormal(Matrix.from1DArray(out, rank, factors.left as number[]));
  const right = orthonormal(Matrix.from1DArray(rank, inputs, factors.right as number[]).transpose());
  const core = left.triangle.mmul(right.triangle.transpose());
  const svd = new SVD(core, { autoTranspose: true });
  const all = svd.diagonal.slice(0, Math.min(core.rows, core.columns));
  const values = Float64Array.from(all.slice(0, SPECTRUM_LENGTH));
  if (!(values[0]! > 0)) {
    return null;
  }
  const sides = { rows: out, columns: inputs };
  const k = Math.min(most, numericalRank(values, sides));
  const columns = (basis: Matrix, vectors: Matrix, from: number, count: number) =>
    Float64Array.from(basis.mmul(vectors.subMatrix(0, vectors.rows - 1, from, from + count - 1)).to1DArray());
  const full = Math.min(out, inputs);
  const last = Math.min(most, full);
  // Directions that the factors do not have have the singular value 0.
  const isAbove = (place: number) => isAboveRounding(all[place] ?? 0, values[0]!);
  const bottom = () => {
    if (!isAbove(bottomDecider(sides, last))) {
      return null;
    }
    return isAbove(full - 1)
      ? columns(right.basis, svd.rightSingularVectors, full - last, last)
      : // The factors do not have the last directions, or not precisely.
        spectralParts(product(factors), options)!.bottom;
  };
  return {
    values,
    k,
    left: columns(left.basis, svd.leftSingularVectors, 0, k),
    right: columns(right.basis, svd.rightSingularVectors, 0, k),
    bottom: options.bottom ? bottom() : null,
  };
}

function product({ left, right, rank }: LowRankMatrix): DenseMatrix {
  const [rows, columns] = [left.length / rank, right.length / rank];
  const one = Matrix.from1DArray(rows, rank, left as number[]);
  const other = Matrix.from1DArray(rank, columns, right as number[]);
  return { rows, columns, data: Float64Array.from(one.mmul(other).to1DArray()) };
}

/** A tall matrix as an orthonormal basis times a triangle; a wide one as the identity times itself. */
function orthonormal(matrix: Matrix): { basis: Matrix; triangle: Matrix } {
  if (matrix.rows <= matrix.columns) {
    return { basis: Matrix.eye(matrix.rows), triangle: matrix };
  }
  const qr = new QrDecomposition(matrix);
  return { basis: qr.orthogonalMatrix, triangle: qr.upperTriangularMatrix };
}
