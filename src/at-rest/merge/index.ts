export { MergeOverflowError } from './encode-merged.js';
export { type MergeFilesOptions, mergeFiles } from './merge-files.js';
export { type MergedOnce, type MergeOnceOptions, mergeOnce } from './merge-once.js';
export type { MergedFile } from './merged-file.js';
export { MERGED_DTYPES, type MergedDtype } from './merged-output.js';
export { type WriteModelOptions, writeModel } from './write-model.js';
