export { type Attached, type AttachOptions, attach, coverageOf } from './attach.js';
export { guardCallback } from './callback.js';
export { DEFAULT_HEADS, inVariableLayout, type LiveWeights, layoutOf, sharedWeights } from './layout.js';
export type { CalibrationBatch } from './self-probe.js';
