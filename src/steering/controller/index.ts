export { type Decision, SteeringController } from './controller.js';
export { RARELY } from './cost-watch.js';
export { DEFAULT_TERMS } from './default-terms.js';
export { type ControllerOptions, controllerOptions } from './options.js';
export { median, theilSen } from './robust.js';
export type { Measured } from './series.js';
export type { Measurements } from './truth.js';
