import type { Recipes } from '../../../src/zoo/pool.js';

/** What the benchmark is run with. Changing any of it makes other models or merges. */
export const POOL_SIZE = 10;
export const QUICK_POOL_SIZE = 8;
/** where the task files do not make so many */
export const LEAST_POOL_SIZE = 8;
/** of a task, as many as there are where they are fewer */
export const TEST_SAMPLES = 1000;
export const METHODS = ['weight_avg', 'task_arithmetic', 'ties', 'dare', 'tsv', 'isotropic'];

export const RECIPES: Recipes = {
  pretraining: { steps: 900, batch: 32, learningRate: 1e-3 },
  fineTuning: { steps: 150, batch: 32, learningRate: 5e-4 },
};
