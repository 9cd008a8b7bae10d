export { DEFAULT_HEADS } from '../../src/tensors/index.js';
export { type Attached, type AttachOptions, attach, coverageOf } from './attach.js';
export type { CalibrationBatch } from './calibration.js';
export { guardCallback } from './callback.js';
export { inVariableLayout, type LiveWeights, layoutOf } from './layout.js';
export { sharedWeights } from './shared-weights.js';
export { streamOf } from './stream.js';
