export type { CudaPart } from './cuda.js';
export { type InstallReport, installTensorflow, uninstallTensorflow } from './install.js';
