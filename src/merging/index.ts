export { applyTau } from './apply-tau.js';
export {
  bestTried,
  COEFFICIENT_GRID,
  type CoefficientOptions,
  type CoefficientSearch,
  hasOutcome,
  type MergeOutcome,
  type NoOutcome,
  searchCoefficient,
  type Tried,
} from './coefficient.js';
export { type Addend, addCombination, type Combination, combine } from './combination.js';
export type { MergeMethod, ModelCount, Parameters, Survey, TensorToMerge } from './merge-method.js';
export { MergePool } from './merge-pool.js';
export { checkModelCount } from './merge-taus.js';
export { type MergekitConfig, type MergekitModels, mergekitConfig } from './mergekit.js';
export {
  type ConfiguredMerge,
  configureMerge,
  FINGERPRINT_METHODS,
  MERGE_METHODS,
  mergeMethod,
} from './registry.js';
