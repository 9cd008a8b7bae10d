export { type Demo, type DemoOptions, type DemoResult, type Outcome, openDemo } from './demo.js';
export { FINE_TUNING, PRETRAINING } from './pool.js';
