export { MergeProbe } from './merge-probe.js';
export type { MergeResult } from './pair-probe.js';
