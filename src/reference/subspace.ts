import type { SpectralParts } from '../spectral/index.js';
import type { HostTensor } from '../tensors/index.js';
import type { Subspace } from './reference.js';

/** What a reference keeps of one matrix, rounded to float32 but for the singular values. */
export interface KeptParts {
  readonly subspace: Subspace;
  readonly spectrum: Float64Array;
  readonly bottom: HostTensor | null;
}

/** `parts` of a matrix [out, in] as they are stored. */
export function keptParts([out, inputs]: readonly [number, number], parts: SpectralParts): KeptParts {
  const { k, bottom } = parts;
  return {
    subspace: {
      k,
      left: { shape: [out, k], data: Float32Array.from(parts.left) },
      right: { shape: [inputs, k], data: Float32Array.from(parts.right) },
    },
    spectrum: parts.values,
    bottom: bottom && { shape: [inputs, bottom.length / inputs], data: Float32Array.from(bottom) },
  };
}
