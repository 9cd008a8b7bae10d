export type { Check } from './check.js';
export { checkModelFiles, type ModelFiles } from './check-model-files.js';
export type { Finding, Severity } from './finding.js';
export { CHECKS } from './registry.js';
