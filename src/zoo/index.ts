export { type Demo, type DemoOptions, type DemoResult, type Outcome, openDemo } from './demo.js';
