import * as tf from '@tensorflow/tfjs';
import type { Matrix } from 'ml-matrix';
import { Random } from '../../src/tensors/random.js';
import { type Ritz, rowsOf, solveRitz, squaredOverlap, symmetricAt } from './ritz.js';
import type { TaskMatrix } from './task-matrix.js';

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
/** Extra iterations from a random start; with two, task vectors of steep spectra lose directions at once. */
const COLD_ITERATIONS = 1;

/**
 * Follows the top singular subspaces of one live task matrix A [rows, columns] by block power iteration, warm
 * started from tick to tick. The device does the products with A; the p x p problems that they leave (p about
 * 16) are solved on the host in float64, after the tick's one read: V and Y = A V give the Gram matrices V^T V
 * and Y^T Y, their generalised eigenvectors W the Ritz vectors V W, and A^T Y W / lambda the next V.
 *
 * Between two reads nothing makes V orthonormal, so with every iteration its columns lean towards the largest
 * singular vector. Columns that have come to be dependent in float32 are replaced by random ones, and the next
 * measurement does one iteration less.
 *
 * Device memory: (columns + rows) p and (rows + columns) k R floats.
 */
export class SubspaceTracker {
  readonly shape: readonly [number, number];
  /** number of floats that `measure` puts into the tick */
  readonly size: number;
  readonly #most: number;
  readonly #width: number;
  readonly #random: Random;
  readonly #references: readonly (StoredSubspace | null)[];
  readonly #rowBasis: tf.Tensor2D | null;
  readonly #columnBasis: tf.Tensor2D | null;
  /** V [columns, p] */
  #basis: tf.Tensor2D;
  /** A^T A V of the last measurement, waiting for the host's W */
  #image: tf.Tensor2D | null = null;
  readonly #iterations: number;
  /** iterations of the next measurement */
  #rounds: number;
  #k = 0;

  constructor(
    shape: readonly [number, number],
    references: readonly (StoredSubspace | null)[],
    options: { k: number; iterations: number; seed: string },
  ) {
    const [rows, columns] = shape;
    this.shape = shape;
    this.#most = Math.min(options.k, rows, columns);
    this.#width = Math.min(this.#most + OVERSAMPLING, rows, columns);
    // With as many columns as there are, V spans everything, and more iterations only wear it down.
    this.#iterations = this.#width === columns ? 1 : options.iterations;
    this.#references = references;
    this.#rowBasis = stackBases(references, rows, (subspace) => subspace.rows.data);
    this.#columnBasis = stackBases(references, columns, (subspace) => subspace.columns.data);
    const stacked = this.#rowBasis?.shape[1] ?? 0;
    this.size = 2 * this.#width * this.#width + 2 * stacked * this.#width;
    this.#random = new Random('subspace', options.seed);
    this.#basis = tf.keep(this.#coldBasis());
    this.#rounds = this.#coldRounds;
  }

  get #coldRounds(): number {
    return this.#width === this.shape[1] ? 1 : this.#iterations + COLD_ITERATIONS;
  }

  #coldBasis(): tf.Tensor2D {
    return this.#width === this.shape[1] ? tf.eye(this.#width) : this.#randomColumns(this.#width);
  }

  /** Columns of the live subspace that the last overlaps are over: k, or the matrix' rank if that is lower. */
  get k(): number {
    return this.#k;
  }

  /** Products with the live task matrix, flattened for the tick's read. Call it inside tf.tidy. */
  measure(matrix: TaskMatrix): tf.Tensor1D[] {
    let basis = this.#basis;
    for (let round = 1; round < this.#rounds; round++) {
      const next = matrix.transposedTimes(matrix.times(basis));
      // Columns brought to length one: the products shrink by the square of a small task vector each time.
      // A task vector of zeros leaves the basis as it is.
      const length = tf.norm(next, 2, 0, true);
      basis = tf.where(tf.greater(length, 0), tf.divNoNan(next, length), basis) as tf.Tensor2D;
    }
    const product = matrix.times(basis);
    const image: tf.Tensor2D = tf.keep(matrix.transposedTimes(product));
    if (basis !== this.#basis) {
      this.#replaceBasis(basis);
    }
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
    this.#basis.dispose();
    this.#basis = tf.keep(basis);
  }

  /**
   * What `measure` gave, read back: overlaps with every reference, and the basis of the next measurement.
   * O(p³ + R k p²) on the host.
   */
  finish(values: Float32Array): Overlap[] {
    const p = this.#width;
    const gramBasis = symmetricAt(values, 0, p);
    const ritz = solveRitz(symmetricAt(values, p * p, p), gramBasis);
    if (!ritz || !this.#image) {
      this.#k = 0;
      if (!Number.isFinite(gramBasis.trace())) {
        // Weights that were not finite got into the basis.
        this.#replaceBasis(this.#coldBasis());
        this.#rounds = this.#coldRounds;
      }
      return this.#references.map(() => ({ rows: Number.NaN, columns: Number.NaN }));
    }
    this.#advance(ritz, this.#image);
    const k = Math.min(this.#most, ritz.rank);
    this.#k = k;
    const stacked = this.#rowBasis?.shape[1] ?? 0;
    const crossRows = rowsOf(values, 2 * p * p, p);
    const crossColumns = rowsOf(values, 2 * p * p + stacked * p, p);
    let start = 0;
    return this.#references.map((reference) => {
      if (!reference) {
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

  /** V <- A^T A V W / lambda, V W itself for directions that A does not reach, random columns for lost ones. */
  #advance({ values, vectors, rank }: Ritz, image: tf.Tensor2D): void {
    const found = vectors.columns;
    const lost = this.#width - found;
    const next = tf.tidy(() => {
      const parts = [
        tf.matMul(
          image,
          weights(vectors, 0, rank, (column) => 1 / values[column]),
        ),
      ];
      if (rank < found) {
        parts.push(
          tf.matMul(
            this.#basis,
            weights(vectors, rank, found, () => 1),
          ),
        );
      }
      if (lost > 0) {
        parts.push(this.#randomColumns(lost));
      }
      return tf.concat(parts, 1) as tf.Tensor2D;
    });
    this.#replaceBasis(next);
    image.dispose();
    this.#image = null;
    this.#rounds = Math.min(this.#iterations, lost > 0 ? Math.max(this.#rounds - 1, 1) : this.#rounds);
  }

  /** [columns, count], of about length one */
  #randomColumns(count: number): tf.Tensor2D {
    const [, columns] = this.shape;
    return tf.tensor2d(this.#random.normals(columns * count, 1 / Math.sqrt(columns)), [columns, count]);
  }

  dispose(): void {
    tf.dispose([this.#basis, this.#image, this.#rowBasis, this.#columnBasis].filter((t) => t !== null));
  }
}

/** Columns from..to of the vectors on the device, each times its factor. */
function weights(vectors: Matrix, from: number, to: number, factor: (column: number) => number): tf.Tensor2D {
  const values = new Float32Array(vectors.rows * (to - from));
  for (let row = 0; row < vectors.rows; row++) {
    for (let column = from; column < to; column++) {
      values[row * (to - from) + column - from] = vectors.get(row, column) * factor(column);
    }
  }
  return tf.tensor2d(values, [vectors.rows, to - from]);
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
