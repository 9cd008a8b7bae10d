export {
  DEMO_STEERING,
  type Demo,
  type DemoOptions,
  type DemoResult,
  type Outcome,
  openDemo,
  TEST_IMAGES,
} from './demo.js';
export { FINE_TUNING, type Pool, type PoolOptions, PRETRAINING, preparePool } from './pool.js';
export type { Task } from './task.js';
export type { Evaluation, Recipe, SampleEvaluations } from './train.js';
export {
  loadPoolTask,
  loadPretraining,
  type PoolNames,
  poolTaskNames,
  type TaskSource,
} from './variant-tasks.js';
export { type EvaluationRequest, type EvaluatorOptions, ZooEvaluators } from './zoo-evaluators.js';
