import { MergeguardError, messageOf } from '../tensors/errors.js';
import { serveThread } from '../threads/index.js';
import type { DenseMatrix, PartsOptions, SpectralParts } from './parts.js';
import { spectralParts } from './spectral-parts.js';

export interface SpectralJob {
  readonly matrix: DenseMatrix;
  readonly options: PartsOptions;
  /** begins the message of what goes wrong */
  readonly label: string;
}

/** The thread's side of SpectralPool. */
serveThread(
  ({ matrix, options, label }: SpectralJob): SpectralParts | null => {
    try {
      return spectralParts(matrix, options);
    } catch (error) {
      throw new MergeguardError(`${label}: ${messageOf(error)}`);
    }
  },
  (parts) =>
    parts === null
      ? []
      : [parts.values, parts.left, parts.right, ...(parts.bottom === null ? [] : [parts.bottom])].map(
          ({ buffer }) => buffer as ArrayBuffer,
        ),
);
