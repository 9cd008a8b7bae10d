export { RunSteering } from './run-steering.js';
