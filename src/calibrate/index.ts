export {
  type CalibrateOptions,
  type Calibration,
  calibrate,
  type Progress,
  type Stage,
  tooFewError,
} from './calibrate.js';
export { templateProblems } from './command-template.js';
export { evaluateCommand } from './evaluate-command.js';
export { type Failure, failureLines } from './failures.js';
export { fittedGroups } from './fitted-groups.js';
export { openPool } from './open-pool.js';
export type { CalibrationPool } from './pool.js';
export { type PoolFile, readPoolFile } from './pool-file.js';
export { LONGEST_SECONDS, poolJsonSchema } from './pool-schema.js';
export { tableCsv } from './table-csv.js';
