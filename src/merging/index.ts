export { applyTau } from './apply-tau.js';
export type { MergeMethod } from './merge-method.js';
export { type ConfiguredMerge, MERGE_METHODS, mergeMethod } from './registry.js';
