export { checkReference, type LiveModel } from './check-reference.js';
export { referenceLimits } from './limits.js';
export { makeReference, type ReferenceOptions } from './make-reference.js';
export { readReference } from './read-reference.js';
export type { Calibration, Reference, ReferenceGradientRecipe, Subspace } from './reference.js';
export { writeReference } from './write-reference.js';
