/** A matrix on the host, row-major [rows, columns]; in canonical layout rows are outputs and columns inputs. */
export interface DenseMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array | Float64Array;
}

export interface PartsOptions {
  /** singular vectors at either end */
  readonly k: number;
  /** the last right singular vectors are wanted too: slower for matrices that are ill-conditioned */
  readonly bottom: boolean;
  /**
   * works on the matrix itself and never on its Gram matrix, which squares the condition number: several times slower, to the
   * last digits of float64
   */
  readonly precise: boolean;
}

/** What is kept of a matrix' singular value decomposition; all bases column by column orthonormal, row-major. */
export interface SpectralParts {
  /** the largest singular values, at most 100, descending */
  readonly values: Float64Array;
  /** width of `left` and `right`: k, or the numerical rank if that is lower */
  readonly k: number;
  /** [rows, k] first left singular vectors */
  readonly left: Float64Array;
  /** [columns, k] first right singular vectors */
  readonly right: Float64Array;
  /**
   * [columns, min(k, rows, columns)] last right singular vectors of the thin decomposition; null where they were not
   * asked for, or the matrix has not full rank, so that which vectors come last is arbitrary
   */
  readonly bottom: Float64Array | null;
}
