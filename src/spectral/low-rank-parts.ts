import { Matrix, QrDecomposition, SVD } from 'ml-matrix';
import type { PartsOptions, SpectralParts } from './parts.js';
import { SPECTRUM_LENGTH } from './spectral-parts.js';

const FLOAT32_EPSILON = 2 ** -23;

/**
 * Both ends of the singular value decomposition of left right, [out, r] and [r, in], from the QR decompositions of the two
 * factors: O((out + in) r²), the product is not made. Null where it is zero.
 */
export function lowRankParts(
  factors: { readonly left: ArrayLike<number>; readonly right: ArrayLike<number>; readonly rank: number },
  { k: most, bottom: wantsBottom }: PartsOptions,
): SpectralParts | null {
  const { rank } = factors;
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
  const noise = values[0]! * Math.max(out, inputs) * FLOAT32_EPSILON;
  const found = all.filter((value) => value > noise).length;
  const k = Math.min(most, found);
  const columns = (basis: Matrix, vectors: Matrix, from: number, count: number) =>
    Float64Array.from(basis.mmul(vectors.subMatrix(0, vectors.rows - 1, from, from + count - 1)).to1DArray());
  const full = Math.min(out, inputs);
  const last = Math.min(most, full);
  return {
    values,
    k,
    left: columns(left.basis, svd.leftSingularVectors, 0, k),
    right: columns(right.basis, svd.rightSingularVectors, 0, k),
    // A rank below full leaves open which vectors come last.
    bottom:
      wantsBottom && found === full
        ? columns(right.basis, svd.rightSingularVectors, full - last, last)
        : null,
  };
}

/** A tall matrix as an orthonormal basis times a triangle; a wide one as the identity times itself. */
function orthonormal(matrix: Matrix): { basis: Matrix; triangle: Matrix } {
  if (matrix.rows <= matrix.columns) {
    return { basis: Matrix.eye(matrix.rows), triangle: matrix };
  }
  const qr = new QrDecomposition(matrix);
  return { basis: qr.orthogonalMatrix, triangle: qr.upperTriangularMatrix };
}
