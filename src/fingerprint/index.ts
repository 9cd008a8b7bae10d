export { checkFingerprint } from './check.js';
export {
  type Agreement,
  type Agreements,
  chanceOf,
  compareFingerprints,
  compareMethods,
  type FilesComparison,
  STUDY,
} from './compare.js';
export { type ParsedTable, parseTable } from './csv.js';
export { outcomeColumnNames } from './csv-columns.js';
export { describeFingerprint } from './describe.js';
export { FEATURE_GROUPS, FEATURES, type FeatureGroup, featureSets } from './feature-sets.js';
export { loadFingerprint, parseFingerprint, shippedFingerprints, writeFingerprint } from './file.js';
export { EFFECTS, type FitOptions, fitFingerprint } from './fit.js';
export type { GroupRow } from './fit-groups.js';
export { type GroupScore, scoreGroup } from './group.js';
export { objective, type Program, type Solution } from './program.js';
export { type ProbeResidual, samplingVariance } from './run-offset.js';
export {
  type Fingerprint,
  fingerprintJsonSchema,
  fingerprintSchema,
  isGradientMetric,
  type MethodFingerprint,
  type Target,
  type Variant,
} from './schema.js';
export {
  EFFECT_FEATURE,
  MERGE_PROBES_FEATURE,
  type PairScore,
  type ScoreInput,
  SELF_PROBE_FEATURE,
  scorePair,
} from './score.js';
export { solveProgram } from './solve.js';
export type { PoolOptions } from './solver-pool.js';
export { checkTable, type TableRow } from './table.js';
export { verdictsOf } from './trust.js';
export { richestVariant } from './weights.js';
