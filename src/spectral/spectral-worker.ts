import { serveThread } from '../threads/index.js';
import type { DenseMatrix, PartsOptions, SpectralParts } from './parts.js';
import { spectralParts } from './spectral-parts.js';

export interface SpectralJob {
  readonly matrix: DenseMatrix;
  readonly options: PartsOptions;
}

/** The thread's side of SpectralPool. */
serveThread(
  ({ matrix, options }: SpectralJob): SpectralParts | null => spectralParts(matrix, options),
  (parts) =>
    parts === null
      ? []
      : [parts.values, parts.left, parts.right, ...(parts.bottom === null ? [] : [parts.bottom])].map(
          ({ buffer }) => buffer as ArrayBuffer,
        ),
);
