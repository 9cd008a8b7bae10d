import type { DenseMatrix } from './parts.js';

/** Inner products of many vectors, a stretch of them at a time: a panel, which fits into cache. */

/** Entries of each vector that are taken into a panel. */
export const PANEL = 256;
/** Vectors handled together: 4 x 2 sums fit into registers. */
export const TILE = 4;

/** Vectors of one length in an array: entry i of vector v lies at v * vectorStep + i * entryStep. */
export interface Vectors {
  readonly data: Float32Array | Float64Array;
  readonly count: number;
  readonly length: number;
  readonly vectorStep: number;
  readonly entryStep: number;
}

export function rowVectors({ rows, columns, data }: DenseMatrix): Vectors {
  return { data, count: rows, length: columns, vectorStep: columns, entryStep: 1 };
}

export function columnVectors({ rows, columns, data }: DenseMatrix): Vectors {
  return { data, count: columns, length: rows, vectorStep: 1, entryStep: columns };
}

/** Room for a panel of `count` vectors: [tile][entry][4], the last tile filled up with zeros. */
export function panelOf(count: number): Float64Array {
  return new Float64Array(Math.ceil(count / TILE) * TILE * PANEL);
}

/** Takes the entries from `start` into the panel, and says how many they are. */
export function packPanel(vectors: Vectors, start: number, panel: Float64Array): number {
  const { data, count, vectorStep, entryStep } = vectors;
  const length = Math.min(PANEL, vectors.length - start);
  for (let v = 0; v < count; v++) {
    const to = Math.floor(v / TILE) * TILE * PANEL + (v % TILE);
    const from = v * vectorStep + start * entryStep;
    for (let i = 0; i < length; i++) {
      panel[to + i * TILE] = data[from + i * entryStep]!;
    }
  }
  return length;
}

/** Inner products [rows, columns], of as many vectors on either side, that panels are added to. */
export class Products {
  readonly values: Float64Array;
  readonly #rows: number;
  readonly #columns: number;
  readonly #sums = new Float64Array(TILE * TILE);

  constructor(rows: number, columns: number) {
    this.values = new Float64Array(rows * columns);
    this.#rows = rows;
    this.#columns = columns;
  }

  /**
   * Adds the products of the tile that begins with vector `row` of panel p with that which begins with vector `column` of
   * panel q, over the first `length` entries.
   */
  addTile(p: Float64Array, row: number, q: Float64Array, column: number, length: number): void {
    const sums = this.#sums;
    tileProduct(p, row * PANEL, q, column * PANEL, length, sums);
    const width = Math.min(TILE, this.#columns - column);
    const height = Math.min(TILE, this.#rows - row);
    for (let i = 0; i < height; i++) {
      const at = (row + i) * this.#columns + column;
      for (let j = 0; j < width; j++) {
        this.values[at + j]! += sums[i * TILE + j]!;
      }
    }
  }
}

/** sums[i, j] = sum over k of p[a + 4 k + i] q[b + 4 k + j]; written out, since this is where the time goes. */
function tileProduct(
  p: Float64Array,
  from: number,
  q: Float64Array,
  to: number,
  length: number,
  sums: Float64Array,
): void {
  for (let half = 0; half < TILE; half += 2) {
    let s00 = 0;
    let s01 = 0;
    let s10 = 0;
    let s11 = 0;
    let s20 = 0;
    let s21 = 0;
    let s30 = 0;
    let s31 = 0;
    let a = from;
    let b = to + half;
    for (let k = 0; k < length; k++) {
      const b0 = q[b]!;
      const b1 = q[b + 1]!;
      const a0 = p[a]!;
      const a1 = p[a + 1]!;
      const a2 = p[a + 2]!;
      const a3 = p[a + 3]!;
      s00 += a0 * b0;
      s01 += a0 * b1;
      s10 += a1 * b0;
      s11 += a1 * b1;
      s20 += a2 * b0;
      s21 += a2 * b1;
      s30 += a3 * b0;
      s31 += a3 * b1;
      a += TILE;
      b += TILE;
    }
    sums[half] = s00;
    sums[half + 1] = s01;
    sums[TILE + half] = s10;
    sums[TILE + half + 1] = s11;
    sums[2 * TILE + half] = s20;
    sums[2 * TILE + half + 1] = s21;
    sums[3 * TILE + half] = s30;
    sums[3 * TILE + half + 1] = s31;
  }
}
