import { serveThread } from '../threads/index.js';
import { type LowRankMatrix, lowRankParts } from './low-rank-parts.js';
import type { DenseMatrix, PartsOptions, SpectralParts } from './parts.js';
import { spectralParts } from './spectral-parts.js';

export interface SpectralJob {
  readonly matrix: DenseMatrix | LowRankMatrix;
  readonly options: PartsOptions;
}

/** The thread's side of SpectralPool. */
serveThread(
  ({ matrix, options }: SpectralJob): SpectralParts | null =>
    'rank' in matrix ? lowRankParts(matrix, options) : spectralParts(matrix, options),
  (parts) =>
    parts === null
      ? []
      : [parts.values, parts.left, parts.right, ...(parts.bottom === null ? [] : [parts.bottom])].map(
          ({ buffer }) => buffer as ArrayBuffer,
        ),
);
