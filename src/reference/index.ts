export { checkReference, type LiveModel } from './check-reference.js';
export { lowRankProduct, tauOf } from './dense-tau.js';
export { float16Error } from './float16-error.js';
export { type ReferenceContents, referenceLimits } from './limits.js';
export { makeReference, type ReferenceOptions } from './make-reference.js';
export { openReference, type ReferenceFile } from './open-reference.js';
export { readReference } from './read-reference.js';
export type {
  Calibration,
  Description,
  Factors,
  Reference,
  ReferenceGradientRecipe,
  Subspace,
} from './reference.js';
export { type KeptParts, keptParts } from './subspace.js';
export {
  FORMAT,
  type ReferenceParts,
  type TauDtype,
  writeReference,
  writeReferenceParts,
} from './write-reference.js';
