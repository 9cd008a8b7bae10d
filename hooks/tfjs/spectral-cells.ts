import { UNMOVED } from '../../src/metrics/index.js';
import type { Reference } from '../../src/reference/index.js';
import type { SpectralParts } from '../../src/spectral/index.js';

/** What the slow lane keeps of one live task matrix. */
export interface SpectralCells {
  /** at which it was measured */
  readonly step: number;
  /** columns of the live bottom subspace; 0 where there is none, UNMOVED of a matrix of zeros */
  readonly bottomK: number;
  /** [R] cosine of the two vectors of singular values; NaN where either model has not moved the matrix */
  readonly spectrum: readonly number[];
  /** [R] ‖V_live^T V_ref‖_F² of the bottom subspaces; NaN where either has none */
  readonly rightBottom: readonly number[];
}

/** The numbers of one matrix [out, in] against every reference. `parts`: null for a matrix of zeros. */
export function spectralCells(
  { name, shape }: { readonly name: string; readonly shape: readonly number[] },
  parts: SpectralParts | null,
  references: readonly Reference[],
  step: number,
): SpectralCells {
  const bottom = parts?.bottom ?? null;
  const spectrum: number[] = [];
  const rightBottom: number[] = [];
  for (const reference of references) {
    const values = reference.spectra.get(name);
    spectrum.push(parts && values ? cosine(parts.values, values) : Number.NaN);
    const other = reference.bottoms.get(name);
    rightBottom.push(bottom && other ? squaredOverlap(bottom, other.data, other.shape[0]) : Number.NaN);
  }
  const bottomK = parts === null ? UNMOVED : bottom === null ? 0 : bottom.length / shape[1];
  return { step, bottomK, spectrum, rightBottom };
}

/** Of two descending spectra; what one has more of counts against zeros. */
function cosine(a: Float64Array, b: Float64Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return dot / Math.sqrt(aa * bb);
}

/** ‖X^T Y‖_F² of two bases with `rows` rows, row-major. O(rows k²). */
function squaredOverlap(x: Float64Array, y: Float32Array, rows: number): number {
  const [width, otherWidth] = [x.length / rows, y.length / rows];
  const products = new Float64Array(width * otherWidth);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < width; i++) {
      const value = x[row * width + i];
      for (let j = 0; j < otherWidth; j++) {
        products[i * otherWidth + j] += value * y[row * otherWidth + j];
      }
    }
  }
  let sum = 0;
  for (const product of products) {
    sum += product * product;
  }
  return sum;
}
