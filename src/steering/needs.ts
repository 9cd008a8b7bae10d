import { MergeguardError } from '../tensors/errors.js';
import type { SteeredTensor, SteeringReference } from './term.js';

/** What to say to somebody who lacks what a term needs of references, calibration samples or activations. */
export const WORKS_WITHOUT =
  'scale_jitter, sharpness, hold and merge_simulation with partner random work without';

/** What to say where a term can not act since all matrices have LoRA adapters. */
export const ACT_ON_ADAPTED = 'scale_jitter, sharpness and merge_simulation with partner random act on them';

/** @throws MergeguardError where there are none */
export function needReferences(name: string, references: readonly SteeringReference[]): void {
  if (references.length === 0) {
    throw new MergeguardError(`${name} needs references, and there are none; ${WORKS_WITHOUT}`);
  }
}

/**
 * What a term says that is for whole matrices, of one with a LoRA adapter: only its factors are trained.
 * @param isFor whether the term would act on the tensor
 */
export function adaptedMatrices(
  tensors: readonly SteeredTensor[],
  isFor: (tensor: SteeredTensor) => boolean = () => true,
): string | null {
  const adapted = tensors.filter((tensor) => tensor.isFactor && isFor(tensor));
  if (adapted.length === 0) {
    return null;
  }
  const more = adapted.length > 1 ? ` and ${adapted.length - 1} more` : '';
  return `does not act on matrices with a LoRA adapter (${adapted[0].name}${more})`;
}
