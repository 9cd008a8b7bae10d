import { Random } from '../tensors/random.js';
import { normaliseAt, orthogonaliseAgainst } from './vectors.js';

/** Diagonal and off-diagonal (entry i couples i and i + 1) of a symmetric tridiagonal matrix T [n, n]. */
export interface TridiagonalEntries {
  readonly diagonal: Float64Array;
  readonly offDiagonal: Float64Array;
}

const EPSILON = Number.EPSILON;
/** Eigenvalues nearer than this share of the norm of T are one cluster, whose vectors are made orthogonal. */
const CLUSTER = 1e-3;
/** For many vectors, where 1e-10 of each other does no harm: real spectra lie within the wider cluster nearly whole. */
export const NARROW_CLUSTER = 1e-6;
const MOST_STARTS = 8;

/** A bound of the eigenvalues' magnitude (Gershgorin). */
export function normOf({ diagonal, offDiagonal }: TridiagonalEntries): number {
  let norm = 0;
  for (let i = 0; i < diagonal.length; i++) {
    const before = i > 0 ? Math.abs(offDiagonal[i - 1]!) : 0;
    norm = Math.max(norm, Math.abs(diagonal[i]!) + before + Math.abs(offDiagonal[i] ?? 0));
  }
  return norm;
}

/**
 * Number of eigenvalues under x: the sign changes of a Sturm sequence. `squares` are the squared off-diagonal entries,
 * `tiny` stands in for a pivot of zero. O(n).
 */
function countUnder(diagonal: Float64Array, squares: Float64Array, x: number, tiny: number): number {
  let count = 0;
  let pivot = 1;
  for (let i = 0; i < diagonal.length; i++) {
    pivot = diagonal[i]! - x - (i > 0 ? squares[i - 1]! / pivot : 0);
    if (Math.abs(pivot) < tiny) {
      pivot = -tiny;
    }
    if (pivot < 0) {
      count += 1;
    }
  }
  return count;
}

/**
 * The eigenvalues of ranks first..last (0 is the smallest), ascending, each to about a rounding error of the largest, by bisection.
 * O(n) a bisection step, about 55 steps an eigenvalue.
 */
export function eigenvalues(entries: TridiagonalEntries, first: number, last: number): Float64Array {
  const { diagonal, offDiagonal } = entries;
  const norm = normOf(entries);
  const squares = Float64Array.from(offDiagonal, (entry) => entry * entry);
  const tiny = Math.max(norm * EPSILON * EPSILON, Number.MIN_VALUE);
  const found = new Float64Array(Math.max(0, last - first + 1));
  let floor = -norm;
  for (let rank = first; rank <= last; rank++) {
    let low = floor;
    let high = norm;
    while (high - low > EPSILON * (Math.abs(low) + Math.abs(high)) + tiny) {
      const middle = low + (high - low) / 2;
      if (middle <= low || middle >= high) {
        break;
      }
      if (countUnder(diagonal, squares, middle, tiny) > rank) {
        high = middle;
      } else {
        low = middle;
      }
    }
    const before = found[rank - first - 1] ?? Number.NEGATIVE_INFINITY;
    found[rank - first] = Math.max(before, low + (high - low) / 2);
    // The next one is not smaller.
    floor = low;
  }
  return found;
}

/**
 * Eigenvectors of T for the given eigenvalues by inverse iteration, rows of a [values.length, n] array of unit vectors. Those of
 * values that lie close together are made orthogonal to each other: closer than the share `cluster` of the norm; others are
 * it to about 1e-16 / cluster. O(n) an iteration, O(n c²) for a cluster of c.
 */
export function eigenvectors(
  entries: TridiagonalEntries,
  values: Float64Array,
  cluster = CLUSTER,
): Float64Array {
  const n = entries.diagonal.length;
  const norm = normOf(entries);
  const vectors = new Float64Array(values.length * n);
  const solver = new ShiftedSolver(entries, Math.max(norm * EPSILON, Number.MIN_VALUE));
  const random = new Random('inverse iteration', n);
  for (let v = 0; v < values.length; v++) {
    const x = vectors.subarray(v * n, (v + 1) * n);
    const near: number[] = [];
    for (let other = 0; other < v; other++) {
      if (Math.abs(values[other]! - values[v]!) <= cluster * norm) {
        near.push(other);
      }
    }
    solver.factorise(values[v]!);
    // The third solve brings a random start to the last digit; a start of which the cluster leaves nothing is drawn again.
    for (let solves = 0, starts = 0; solves < 3 && starts < MOST_STARTS; ) {
      if (solves === 0) {
        starts += 1;
        for (let i = 0; i < n; i++) {
          x[i] = random.uniform(-1, 1);
        }
      }
      solver.solve(x);
      orthogonaliseAgainst(vectors, n, v, near);
      solves = normaliseAt(vectors, v * n, n) > 0 ? solves + 1 : 0;
    }
  }
  return vectors;
}

/** Solves (T - shift) x = b by Gaussian elimination with row exchanges, O(n). */
class ShiftedSolver {
  readonly #entries: TridiagonalEntries;
  readonly #tiny: number;
  readonly #pivots: Float64Array;
  /** right of the pivot, and right of that: filled where rows were exchanged */
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  readonly #multipliers: Float64Array;
  readonly #exchanged: Uint8Array;

  constructor(entries: TridiagonalEntries, tiny: number) {
    const n = entries.diagonal.length;
    this.#entries = entries;
    this.#tiny = tiny;
    this.#pivots = new Float64Array(n);
    this.#first = new Float64Array(n);
    this.#second = new Float64Array(n);
    this.#multipliers = new Float64Array(n);
    this.#exchanged = new Uint8Array(n);
  }

  factorise(shift: number): void {
    const { diagonal, offDiagonal } = this.#entries;
    const n = diagonal.length;
    const pivots = this.#pivots;
    const first = this.#first;
    const second = this.#second;
    let pivot = diagonal[0]! - shift;
    let right = n > 1 ? offDiagonal[0]! : 0;
    for (let i = 0; i < n - 1; i++) {
      const below = offDiagonal[i]!;
      const nextDiagonal = diagonal[i + 1]! - shift;
      const nextRight = i + 1 < n - 1 ? offDiagonal[i + 1]! : 0;
      const exchange = Math.abs(below) > Math.abs(pivot);
      this.#exchanged[i] = exchange ? 1 : 0;
      if (exchange) {
        const multiplier = pivot / below;
        pivots[i] = below;
        first[i] = nextDiagonal;
        second[i] = nextRight;
        this.#multipliers[i] = multiplier;
        pivot = right - multiplier * nextDiagonal;
        right = -multiplier * nextRight;
      } else {
        const safe = Math.abs(pivot) < this.#tiny ? this.#tiny : pivot;
        const multiplier = below / safe;
        pivots[i] = safe;
        first[i] = right;
        second[i] = 0;
        this.#multipliers[i] = multiplier;
        pivot = nextDiagonal - multiplier * right;
        right = nextRight;
      }
    }
    pivots[n - 1] = Math.abs(pivot) < this.#tiny ? this.#tiny : pivot;
  }

  /** In place; scaled down first, since the solution of a nearly singular system is long. */
  solve(x: Float64Array): void {
    const n = x.length;
    for (let i = 0; i < n; i++) {
      x[i]! *= this.#tiny;
    }
    for (let i = 0; i < n - 1; i++) {
      if (this.#exchanged[i] === 1) {
        const kept = x[i]!;
        x[i] = x[i + 1]!;
        x[i + 1] = kept - this.#multipliers[i]! * x[i]!;
      } else {
        x[i + 1]! -= this.#multipliers[i]! * x[i]!;
      }
    }
    for (let i = n - 1; i >= 0; i--) {
      const right = i + 1 < n ? this.#first[i]! * x[i + 1]! : 0;
      const further = i + 2 < n ? this.#second[i]! * x[i + 2]! : 0;
      x[i] = (x[i]! - right - further) / this.#pivots[i]!;
    }
  }
}
