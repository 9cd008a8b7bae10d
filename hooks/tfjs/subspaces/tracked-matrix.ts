import { Random } from '../../../src/tensors/random.js';
import { type Ritz, type Rows, solveRitz, squaredOverlap, symmetricAt } from './ritz.js';

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

/** What a measurement has found of one matrix. */
export interface Found {
  /** by reference */
  readonly overlaps: readonly Overlap[];
  /** columns of the live subspace that they are over: k, or the matrix' rank if that is lower */
  readonly k: number;
}

/** What a measurement gives of one matrix, V [columns, p] being its basis and Y = A V. */
export interface Products {
  readonly values: Float32Array;
  /** where V^T V [p, p] and Y^T Y [p, p] begin */
  readonly gramBasis: number;
  readonly gramProduct: number;
  /** bases of the references, side by side, times Y and V: [sum of k, p] */
  readonly crossRows: Rows;
  readonly crossColumns: Rows;
}

/** How the next basis is made: of the Ritz vectors, or it is the same again, or a new one. */
export type NextBasis = Ritz | 'same' | 'cold';

/** Extra iterations from a random start; with two, task vectors of steep spectra lose directions at once. */
const COLD_ITERATIONS = 1;

/** The host's part of following one matrix. */
export class TrackedMatrix {
  readonly #columns: number;
  /** columns of V */
  readonly #width: number;
  readonly #most: number;
  readonly #iterations: number;
  readonly #references: readonly (StoredSubspace | null)[];
  readonly #random: Random;
  #rounds: number;

  /** @param options `width`: p; `most`: k, if the matrix has that rank; `iterations`: of a measurement */
  constructor(
    columns: number,
    references: readonly (StoredSubspace | null)[],
    options: { width: number; most: number; iterations: number; seed: string },
  ) {
    this.#columns = columns;
    this.#width = options.width;
    this.#most = options.most;
    // With as many columns as there are, V spans everything, and more iterations only wear it down.
    this.#iterations = this.#width === columns ? 1 : options.iterations;
    this.#references = references;
    this.#random = new Random('subspace', options.seed);
    this.#rounds = this.#coldRounds;
  }

  get #coldRounds(): number {
    return this.#width === this.#columns ? 1 : this.#iterations + COLD_ITERATIONS;
  }

  /** Iterations of the next measurement. */
  get rounds(): number {
    return this.#rounds;
  }

  /** V [columns, p] to start from. */
  coldBasis(): Float32Array {
    const width = this.#width;
    if (width < this.#columns) {
      return this.randomColumns(width);
    }
    const values = new Float32Array(width * width);
    for (let column = 0; column < width; column++) {
      values[column * width + column] = 1;
    }
    return values;
  }

  /** [columns, count], of about length one */
  randomColumns(count: number): Float32Array {
    return this.#random.normals(this.#columns * count, 1 / Math.sqrt(this.#columns));
  }

  /** Overlaps with every reference, and how the basis of the next measurement is made. O(p³ + R k p²) */
  finish({ values, gramBasis, gramProduct, crossRows, crossColumns }: Products): Found & {
    readonly next: NextBasis;
  } {
    const basis = symmetricAt(values, gramBasis, this.#width);
    const ritz = solveRitz(symmetricAt(values, gramProduct, this.#width), basis);
    if (!ritz) {
      const isBroken = !Number.isFinite(basis.trace());
      if (isBroken) {
        // Weights that were not finite got into the basis.
        this.#rounds = this.#coldRounds;
      }
      return {
        overlaps: this.#references.map(() => ({ rows: Number.NaN, columns: Number.NaN })),
        k: 0,
        next: isBroken ? 'cold' : 'same',
      };
    }
    const isLosing = ritz.vectors.columns < this.#width;
    this.#rounds = Math.min(this.#iterations, isLosing ? Math.max(this.#rounds - 1, 1) : this.#rounds);
    const k = Math.min(this.#most, ritz.rank);
    let start = 0;
    const overlaps = this.#references.map((reference) => {
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
    return { overlaps, k, next: ritz };
  }
}
