import * as tf from '@tensorflow/tfjs';
import { stackedShape, stackMatrices, type TaskMatrix } from '../task-matrix.js';
import { nextBasis } from './next-basis.js';
import { rowsOf } from './ritz.js';
import { type Found, type StoredSubspace, TrackedMatrix } from './tracked-matrix.js';

/** One matrix to be followed. */
export interface Followed {
  readonly seed: string;
  /** by reference; null where it has none */
  readonly references: readonly (StoredSubspace | null)[];
}

/** Columns tracked beyond k: they make the iteration converge with the gap after them instead of after k. */
const OVERSAMPLING = 6;

/**
 * Follows the top singular subspaces of live task matrices A [rows, columns] of one shape by block power iteration, warm started
 * from tick to tick. The device does the products with A, of all m matrices in one operation each, which costs a GPU as much time
 * as of one; the p x p problems that they leave (p about 16) are solved on the host in float64, after the tick's one read: V and
 * Y = A V give the Gram matrices V^T V and Y^T Y, their generalised eigenvectors W the Ritz vectors V W, and A^T Y W / lambda the
 * next V.
 *
 * Between two reads nothing makes V orthonormal, so with every iteration its columns lean towards the largest
 * singular vector. Columns that have come to be dependent in float32 are replaced by random ones, and the next
 * measurement of that matrix does one iteration less.
 *
 * Device memory: m times (columns + rows) p and (rows + columns) k R floats.
 */
export class SubspaceBatch {
  /** number of floats that `measure` puts into the tick */
  readonly size: number;
  readonly #matrices: readonly TrackedMatrix[];
  /** p */
  readonly #width: number;
  /** sum of k over the references */
  readonly #stacked: number;
  /** the references' bases, side by side: [m, rows, sum of k] and [m, columns, sum of k] */
  readonly #rowBases: tf.Tensor | null;
  readonly #columnBases: tf.Tensor | null;
  /** V [m, columns, p] */
  #basis: tf.Tensor;
  /** A^T A V of the last measurement, waiting for the host's W */
  #image: tf.Tensor | null = null;

  /** @param followed those of each reference with the same k in all of them, or missing in all */
  constructor(
    shape: readonly [number, number],
    followed: readonly Followed[],
    options: { k: number; iterations: number },
  ) {
    const [rows, columns] = shape;
    const most = Math.min(options.k, rows, columns);
    this.#width = Math.min(most + OVERSAMPLING, rows, columns);
    this.#matrices = followed.map(
      ({ references, seed }) =>
        new TrackedMatrix(columns, references, {
          width: this.#width,
          most,
          iterations: options.iterations,
          seed,
        }),
    );
    this.#stacked = followed[0].references.reduce((sum, reference) => sum + (reference?.k ?? 0), 0);
    this.#rowBases = stackBases(followed, rows, this.#stacked, (subspace) => subspace.rows.data);
    this.#columnBases = stackBases(followed, columns, this.#stacked, (subspace) => subspace.columns.data);
    this.size = followed.length * 2 * this.#width * (this.#width + this.#stacked);
    const start = new Float32Array(followed.length * this.#width * columns);
    this.#matrices.forEach((matrix, m) => {
      start.set(matrix.coldBasis(), m * this.#width * columns);
    });
    this.#basis = tf.keep(tf.tensor(start, stackedShape(followed.length, columns, this.#width)));
  }

  /** Products with the live task matrices, in their order, flattened for the tick's read. Call it inside tf.tidy. */
  measure(matrices: readonly TaskMatrix[]): tf.Tensor1D[] {
    const stacked = stackMatrices(matrices);
    let basis = this.#basis;
    const rounds = Math.max(...this.#matrices.map((matrix) => matrix.rounds));
    for (let round = 1; round < rounds; round++) {
      const next = stacked.transposedTimes(stacked.times(basis));
      // Columns brought to length one: the products shrink by the square of a small task vector each time.
      // A task vector of zeros leaves the basis as it is; one with NaN may get into it, the host sees that.
      const length = tf.norm(next, 2, next.rank - 2, true);
      const isMoved = this.#goingOn(round, tf.greater(length, 0));
      basis = tf.where(isMoved, tf.divNoNan(next, length), basis);
    }
    const product = stacked.times(basis);
    const image = tf.keep(stacked.transposedTimes(product));
    if (basis !== this.#basis) {
      this.#replaceBasis(basis);
    }
    this.#image?.dispose();
    this.#image = image;
    const parts = [tf.matMul(basis, basis, true, false), tf.matMul(product, product, true, false)];
    if (this.#rowBases && this.#columnBases) {
      parts.push(
        tf.matMul(this.#rowBases, product, true, false),
        tf.matMul(this.#columnBases, basis, true, false),
      );
    }
    return parts.map((part) => tf.reshape(part, [part.size]));
  }

  /** Which columns are moved [m, 1, p], none of matrices that do no more iterations. */
  #goingOn(round: number, isMoved: tf.Tensor): tf.Tensor {
    const goesOn = this.#matrices.map(({ rounds }) => round < rounds);
    return goesOn.every(Boolean)
      ? isMoved
      : tf.logicalAnd(isMoved, tf.tensor(goesOn, [goesOn.length, 1, 1], 'bool'));
  }

  #replaceBasis(basis: tf.Tensor): void {
    this.#basis.dispose();
    this.#basis = tf.keep(basis);
  }

  /** What `measure` gave, read back: what is found of every matrix; also advances the bases for the next measurement. */
  finish(values: Float32Array): Found[] {
    const p = this.#width;
    const count = this.#matrices.length;
    const gram = p * p;
    const cross = this.#stacked * p;
    const finished = this.#matrices.map((matrix, m) =>
      matrix.finish({
        values,
        gramBasis: m * gram,
        gramProduct: (count + m) * gram,
        crossRows: rowsOf(values, 2 * count * gram + m * cross, p),
        crossColumns: rowsOf(values, 2 * count * gram + (count + m) * cross, p),
      }),
    );
    const steps = finished.map(({ next }) => next);
    if (steps.some((step) => step !== 'same')) {
      this.#replaceBasis(tf.tidy(() => nextBasis(this.#matrices, steps, this.#image!, this.#basis)));
    }
    this.#image!.dispose();
    this.#image = null;
    return finished;
  }

  dispose(): void {
    tf.dispose([this.#basis, this.#image, this.#rowBases, this.#columnBases].filter((t) => t !== null));
  }
}

/** All references' bases side by side [m, length, stacked], kept on the device; null where none has one. */
function stackBases(
  followed: readonly Followed[],
  length: number,
  stacked: number,
  basis: (subspace: StoredSubspace) => Float32Array,
): tf.Tensor | null {
  if (stacked === 0) {
    return null;
  }
  const values = new Float32Array(followed.length * length * stacked);
  followed.forEach(({ references }, m) => {
    let column = 0;
    for (const subspace of references.filter((reference) => reference !== null)) {
      const data = basis(subspace);
      for (let row = 0; row < length; row++) {
        const own = data.subarray(row * subspace.k, (row + 1) * subspace.k);
        values.set(own, (m * length + row) * stacked + column);
      }
      column += subspace.k;
    }
  });
  return tf.keep(tf.tensor(values, stackedShape(followed.length, length, stacked)));
}
