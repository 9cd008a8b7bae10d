import { UNMOVED } from '../../src/metrics/index.js';
import type { Reference } from '../../src/reference/index.js';
import { type SpectralParts, spectrumCosine, squaredOverlap } from '../../src/spectral/index.js';
import type { HostTensor } from '../../src/tensors/index.js';

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
  const bottomK = bottom === null ? 0 : bottom.length / shape[1];
  const spectrum: number[] = [];
  const rightBottom: number[] = [];
  for (const reference of references) {
    const values = reference.spectra.get(name);
    spectrum.push(parts && values ? spectrumCosine(parts.values, values) : Number.NaN);
    const other = reference.bottoms.get(name);
    const overlap = (data: Float64Array, { data: others, shape: [, width] }: HostTensor) =>
      squaredOverlap({ data, width: bottomK }, { data: others, width });
    rightBottom.push(bottom && other ? overlap(bottom, other) : Number.NaN);
  }
  return { step, bottomK: parts === null ? UNMOVED : bottomK, spectrum, rightBottom };
}
