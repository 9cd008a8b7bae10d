export { compareAll, compareWith } from './compare.js';
export type { CompareOptions, Comparison } from './compare-models.js';
export type { ComparedPair } from './compared-pair.js';
export type { Finding } from './compatibility/index.js';
export { heatMap, shortNumber } from './heat-map.js';
export {
  type MadeReference,
  type MakeReferenceFileOptions,
  makeReferenceFile,
} from './make-reference-file.js';
export { matrixCsv } from './matrix-csv.js';
export {
  MERGED_DTYPES,
  type MergedDtype,
  type MergedFile,
  type MergedOnce,
  type MergeFilesOptions,
  type MergeOnceOptions,
  MergeOverflowError,
  mergeFiles,
  mergeOnce,
  type WriteModelOptions,
  writeModel,
} from './merge/index.js';
export type { ModelAtRest } from './model.js';
export { modelPaths, type NamedPath } from './model-paths.js';
export {
  type MatrixReport,
  type MetricsReport,
  matrixReport,
  type ScoreReport,
  scoreReport,
} from './reports.js';
export type { Coverage } from './shared-tensors.js';
