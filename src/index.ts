/** The public API of mergeguard. */

export {
  type Attached,
  type AttachOptions,
  attach,
  type CalibrationBatch,
  DEFAULT_HEADS,
  guardCallback,
  type LiveWeights,
  sharedWeights,
} from '../hooks/tfjs/index.js';
export {
  type CompareOptions,
  type Comparison,
  compareAll,
  compareWith,
  type Finding,
  heatMap,
  type MakeReferenceFileOptions,
  type MatrixReport,
  type MergedFile,
  makeReferenceFile,
  matrixReport,
  mergeFiles,
  type ScoreReport,
  scoreReport,
  writeModel,
} from './at-rest/index.js';
export { type BackendChoice, type BackendName, type OpenedBackend, openBackend } from './backend/index.js';
export {
  describeFingerprint,
  type Fingerprint,
  type FitOptions,
  featureSets,
  fitFingerprint,
  type GroupRow,
  loadFingerprint,
  parseTable,
  scoreGroup,
  scorePair,
  type TableRow,
  writeFingerprint,
} from './fingerprint/index.js';
export {
  type AlertEvent,
  connectGuard,
  createGuard,
  type EndEvent,
  EVENT_NAMES,
  eventSchema,
  type Guard,
  type GuardConfig,
  type GuardConfigInput,
  type GuardEvent,
  type HelloEvent,
  loadConfig,
  type Observation,
  type ProbeEvent,
  type ProgressEvent,
  type RemoteGuard,
  type RemoteOptions,
  type RunSetup,
  type SteerEvent,
  type TickEvent,
  VERSION,
} from './guard/index.js';
export {
  applyTau,
  COEFFICIENT_GRID,
  type CoefficientOptions,
  type CoefficientSearch,
  type ConfiguredMerge,
  configureMerge,
  MERGE_METHODS,
  type MergeMethod,
  type MergeOutcome,
  mergekitConfig,
  mergeMethod,
  type NoOutcome,
  searchCoefficient,
  type Tried,
} from './merging/index.js';
export { computePairMetrics, METRICS, type Metric, type PairStatistics } from './metrics/index.js';
export {
  makeReference,
  openReference,
  type Reference,
  type ReferenceOptions,
  readReference,
  referenceLimits,
  writeReference,
} from './reference/index.js';
export { type Server, type ServerOptions, startServer } from './server/index.js';
export { TERMS, type TermInfo } from './steering/index.js';
export {
  baseIdentity,
  MergeguardError,
  type NamedTensors,
  openCheckpoint,
  readNamedTensors,
  SafetensorsError,
  writeSafetensors,
} from './tensors/index.js';
