export { type LookWarning, TrainingLook } from './training-look.js';
