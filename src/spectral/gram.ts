import type { DenseMatrix } from './parts.js';

/** Rows taken into cache at a time. */
const PANEL_ROWS = 256;
/** Columns handled together: 4 x 2 sums fit into registers. */
const TILE = 4;

/**
 * A^T A, or A A^T with `ofRows`, as a full symmetric matrix [n, n], n the number of columns (rows). Products and sums
 * are in float64 whatever A is. m n² multiplications for the m rows (columns) that are summed over, n² + 256 n floats
 * of memory beside A.
 */
export function gramMatrix({ rows, columns, data }: DenseMatrix, ofRows = false): Float64Array {
  const n = ofRows ? rows : columns;
  const summed = ofRows ? columns : rows;
  const tiles = Math.ceil(n / TILE);
  const gram = new Float64Array(n * n);
  // One tile's columns lie together, padded with zeros: [tile][row of the panel][4].
  const panel = new Float64Array(tiles * PANEL_ROWS * TILE);
  for (let start = 0; start < summed; start += PANEL_ROWS) {
    const count = Math.min(PANEL_ROWS, summed - start);
    for (let i = 0; i < n; i++) {
      const to = Math.floor(i / TILE) * PANEL_ROWS * TILE + (i % TILE);
      const from = ofRows ? i * columns + start : start * columns + i;
      const step = ofRows ? 1 : columns;
      for (let k = 0; k < count; k++) {
        panel[to + k * TILE] = data[from + k * step]!;
      }
    }
    addPanel(gram, n, panel, count);
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      gram[i * n + j] = gram[j * n + i]!;
    }
  }
  return gram;
}

/** Adds the products of a panel's columns to the upper triangle (whole tiles) of `gram`. */
function addPanel(gram: Float64Array, n: number, panel: Float64Array, count: number): void {
  const tiles = Math.ceil(n / TILE);
  const sums = new Float64Array(TILE * TILE);
  for (let one = 0; one < tiles; one++) {
    for (let other = one; other < tiles; other++) {
      tileProduct(panel, one * PANEL_ROWS * TILE, other * PANEL_ROWS * TILE, count, sums);
      const width = Math.min(TILE, n - other * TILE);
      const height = Math.min(TILE, n - one * TILE);
      for (let i = 0; i < height; i++) {
        const at = (one * TILE + i) * n + other * TILE;
        for (let j = 0; j < width; j++) {
          gram[at + j]! += sums[i * TILE + j]!;
        }
      }
    }
  }
}

/** sums[i, j] = sum over k of panel[p + 4 k + i] panel[q + 4 k + j]; written out, since this is where the time goes. */
function tileProduct(panel: Float64Array, p: number, q: number, count: number, sums: Float64Array): void {
  for (let half = 0; half < TILE; half += 2) {
    let s00 = 0;
    let s01 = 0;
    let s10 = 0;
    let s11 = 0;
    let s20 = 0;
    let s21 = 0;
    let s30 = 0;
    let s31 = 0;
    let a = p;
    let b = q + half;
    for (let k = 0; k < count; k++) {
      const b0 = panel[b]!;
      const b1 = panel[b + 1]!;
      const a0 = panel[a]!;
      const a1 = panel[a + 1]!;
      const a2 = panel[a + 2]!;
      const a3 = panel[a + 3]!;
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
