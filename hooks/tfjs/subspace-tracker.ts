import * as tf from '@tensorflow/tfjs';
import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { Random } from '../../src/tensors/random.js';

/** Reference subspaces of one matrix, in the layout of the stored variable [rows, columns]. */
export interface StoredSubspace {
  readonly k: number;
  /** orthonormal [rows, k] */
  readonly rows: { readonly data: Float32Array };
  /** orthonormal [columns, k] */
  readonly columns: { readonly data: Float32Array };
}

/** Squared overlaps with one reference, 0..k; NaN where the matrix or the reference has no subspace. */
export interface Overlap {
  readonly rows: number;
  readonly columns: number;
}

/** Columns tracked beyond k: they make the iteration converge with the gap after them instead of after k. */
const OVERSAMPLING = 6;
/** Extra iterations from a random start. */
const COLD_ITERATIONS = 2;
/** Ritz values under this share of the largest count as zero in float32. */
const RANK_TOLERANCE = 1e-9;

/**
 * Follows the top singular subspaces of one live task matrix A [rows, columns] by block power iteration, warm
 * started from tick to tick. The device does the products with A; the p x p problems that they leave (p about
 * 16) are solved on the host in float64, after the tick's one read: V and Y = A V give the Gram matrices V^T V
 * and Y^T Y, their generalised eigenvectors W the Ritz vectors V W, and A^T Y W / lambda the next V.
 *
 * Device memory: (columns + rows) p and (rows + columns) k R floats.
 */
export class SubspaceTracker {
  readonly shape: readonly [number, number];
  /** number of floats that `measure` puts into the tick */
  readonly size: number;
  readonly #k: number;
  readonly #width: number;
  readonly #iterations: number;
  readonly #references: readonly (StoredSubspace | null)[];
  readonly #rowBasis: tf.Tensor2D | null;
  readonly #columnBasis: tf.Tensor2D | null;
  #basis: tf.Tensor2D;
  /** A^T A V of the last measurement, waiting for the host's W */
  #image: tf.Tensor2D | null = null;
  /** the basis is still random */
  #cold = true;

  constructor(
    shape: readonly [number, number],
    references: readonly (StoredSubspace | null)[],
    options: { k: number; iterations: number; seed: string },
  ) {
    const [rows, columns] = shape;
    this.shape = shape;
    this.#k = Math.min(options.k, rows, columns);
    this.#width = Math.min(this.#k + OVERSAMPLING, rows, columns);
    this.#iterations = options.iterations;
    this.#references = references;
    this.#rowBasis = stackBases(references, rows, (subspace) => subspace.rows.data);
    this.#columnBasis = stackBases(references, columns, (subspace) => subspace.columns.data);
    const stacked = this.#rowBasis?.shape[1] ?? 0;
    this.size = 2 * this.#width * this.#width + 2 * stacked * this.#width;
    const start = new Random('subspace', options.seed).normals(columns * this.#width, 1 / Math.sqrt(columns));
    this.#basis = tf.keep(tf.tensor2d(start, [columns, this.#width]));
  }

  /** Products with the live task matrix, flattened for the tick's read. Call it inside tf.tidy. */
  measure(matrix: tf.Tensor2D): tf.Tensor1D[] {
    let basis = this.#basis;
    const rounds = this.#cold ? this.#iterations + COLD_ITERATIONS : this.#iterations;
    for (let i = 1; i < rounds; i++) {
      const next = tf.matMul(matrix, tf.matMul(matrix, basis), true, false);
      // Columns brought to length one: the products shrink by the square of a small task vector each time.
      // A task vector of zeros leaves the basis as it is.
      const length = tf.norm(next, 2, 0, true);
      basis = tf.where(tf.greater(length, 0), tf.divNoNan(next, length), basis) as tf.Tensor2D;
    }
    const product = tf.matMul(matrix, basis);
    const image: tf.Tensor2D = tf.keep(tf.matMul(matrix, product, true, false));
    this.#replaceBasis(basis);
    this.#image?.dispose();
    this.#image = image;
    const parts = [tf.matMul(basis, basis, true, false), tf.matMul(product, product, true, false)];
    if (this.#rowBasis && this.#columnBasis) {
      parts.push(
        tf.matMul(this.#rowBasis, product, true, false),
        tf.matMul(this.#columnBasis, basis, true, false),
      );
    }
    return parts.map((part) => tf.reshape(part, [part.size]));
  }

  #replaceBasis(basis: tf.Tensor2D): void {
    if (basis !== this.#basis) {
      this.#basis.dispose();
      this.#basis = tf.keep(basis);
    }
  }

  /**
   * What `measure` gave, read back: overlaps with every reference, and the basis of the next measurement.
   * O(p³ + R k p²) on the host.
   */
  finish(values: Float32Array): Overlap[] {
    const p = this.#width;
    const gramBasis = symmetric(values, 0, p);
    const gramProduct = symmetric(values, p * p, p);
    const ritz = solve(gramProduct, gramBasis);
    if (!ritz || !this.#image) {
      return this.#references.map(() => ({ rows: Number.NaN, columns: Number.NaN }));
    }
    this.#advance(ritz);
    const stacked = this.#rowBasis?.shape[1] ?? 0;
    const crossRows = view(values, 2 * p * p, p);
    const crossColumns = view(values, 2 * p * p + stacked * p, p);
    let start = 0;
    return this.#references.map((reference) => {
      const k = Math.min(this.#k, ritz.rank);
      if (!reference || k === 0) {
        start += reference?.k ?? 0;
        return { rows: Number.NaN, columns: Number.NaN };
      }
      const overlap = {
        rows: squaredOverlap(crossRows, start, reference.k, ritz.vectors, k, ritz.values),
        columns: squaredOverlap(crossColumns, start, reference.k, ritz.vectors, k, null),
      };
      start += reference.k;
      return overlap;
    });
  }

  /** Columns of the live subspace that the overlaps are over. */
  get k(): number {
    return this.#k;
  }

  /** V <- A^T A V W / lambda, and V W itself for directions that A does not reach. */
  #advance({ values, vectors, rank }: Ritz): void {
    const p = this.#width;
    const powered = new Float32Array(p * p);
    const kept = new Float32Array(p * p);
    for (let row = 0; row < p; row++) {
      for (let column = 0; column < p; column++) {
        const weight = vectors.get(row, column);
        if (column < rank) {
          powered[row * p + column] = weight / values[column];
        } else {
          kept[row * p + column] = weight;
        }
      }
    }
    const next = tf.tidy(() => {
      const moved = tf.matMul(this.#image as tf.Tensor2D, tf.tensor2d(powered, [p, p]));
      return rank === p ? moved : tf.add(moved, tf.matMul(this.#basis, tf.tensor2d(kept, [p, p])));
    }) as tf.Tensor2D;
    this.#basis.dispose();
    this.#basis = tf.keep(next);
    this.#image?.dispose();
    this.#image = null;
    this.#cold = false;
  }

  dispose(): void {
    tf.dispose([this.#basis, this.#image, this.#rowBasis, this.#columnBasis].filter((t) => t !== null));
  }
}

interface Ritz {
  /** squared singular values, descending */
  readonly values: readonly number[];
  /** [p, p], columns w with w^T V^T V w = 1 */
  readonly vectors: Matrix;
  /** values that are not zero in float32 */
  readonly rank: number;
}

/** Solves gramProduct w = lambda gramBasis w; null where the matrix is zero or something is not finite. */
function solve(gramProduct: Matrix, gramBasis: Matrix): Ritz | null {
  const finite = [gramProduct, gramBasis].every((matrix) => matrix.to1DArray().every(Number.isFinite));
  if (!finite || gramProduct.trace() <= 0) {
    return null;
  }
  const cholesky = new CholeskyDecomposition(gramBasis);
  if (!cholesky.isPositiveDefinite()) {
    return null;
  }
  const inverse = invertLower(cholesky.lowerTriangularMatrix);
  const reduced = inverse.mmul(gramProduct).mmul(inverse.transpose());
  const eigen = new EigenvalueDecomposition(reduced, { assumeSymmetric: true });
  const ascending = eigen.realEigenvalues;
  const order = ascending.map((_, i) => i).sort((i, j) => ascending[j] - ascending[i]);
  const values = order.map((i) => Math.max(ascending[i], 0));
  const rotated = inverse.transpose().mmul(eigen.eigenvectorMatrix);
  const vectors = rotated.subMatrixColumn(order);
  const rank = values.filter((value) => value > RANK_TOLERANCE * values[0]).length;
  return { values, vectors, rank };
}

function invertLower(lower: Matrix): Matrix {
  const n = lower.rows;
  const inverse = Matrix.zeros(n, n);
  for (let column = 0; column < n; column++) {
    for (let row = column; row < n; row++) {
      let sum = row === column ? 1 : 0;
      for (let i = column; i < row; i++) {
        sum -= lower.get(row, i) * inverse.get(i, column);
      }
      inverse.set(row, column, sum / lower.get(row, row));
    }
  }
  return inverse;
}

/** ‖C w_j‖² summed over the first k Ritz vectors, C being `count` rows of the cross products. */
function squaredOverlap(
  cross: { at(row: number, column: number): number; width: number },
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

function view(values: Float32Array, offset: number, width: number) {
  return { width, at: (row: number, column: number) => values[offset + row * width + column] };
}

function symmetric(values: Float32Array, offset: number, size: number): Matrix {
  const matrix = Matrix.zeros(size, size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const mirrored = values[offset + row * size + column] + values[offset + column * size + row];
      matrix.set(row, column, mirrored / 2);
    }
  }
  return matrix;
}

/** All references' bases side by side [length, sum of k], kept on the device; null where none has one. */
function stackBases(
  references: readonly (StoredSubspace | null)[],
  length: number,
  basis: (subspace: StoredSubspace) => Float32Array,
): tf.Tensor2D | null {
  const present = references.filter((reference) => reference !== null);
  if (present.length === 0) {
    return null;
  }
  return tf.tidy(() =>
    tf.keep(
      tf.concat(
        present.map((subspace) => tf.tensor2d(basis(subspace), [length, subspace.k])),
        1,
      ),
    ),
  ) as tf.Tensor2D;
}
