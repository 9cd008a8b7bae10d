export { type ComparedPair, type CompareOptions, type Comparison, compareModels } from './compare-models.js';
export type { Finding } from './compatibility/index.js';
export type { ModelAtRest } from './model.js';
export type { Coverage } from './shared-tensors.js';
