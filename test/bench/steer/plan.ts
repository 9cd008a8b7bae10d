import type { Recipe } from '../../../src/zoo/train.js';
import { RECIPES } from '../zoo/plan.js';
import type { Variant } from './variant.js';

/** What the benchmark is run with. Changing any of it makes other models or merges, and only those that it changes. */
export const SEEDS: readonly number[] = [0, 1, 2];
export const LIVE_SEEDS: readonly number[] = [0, 1];
export const POOL_SIZE = 8;
/** where the task files do not make so many */
export const LEAST_POOL_SIZE = 8;

/** Shared with `bench:zoo`, so that its cache holds the base already. */
export const BASE_RECIPES = RECIPES;
/** Fixed before terms were compared. */
export const FINE_TUNING: Recipe = { ...RECIPES.fineTuning, steps: 600 };
/** Two thirds of the steps, so that base, three pools and their merges fit into twelve minutes on two cores. */
export const QUICK_FINE_TUNING: Recipe = { ...FINE_TUNING, steps: 400 };

/** Methods that gaps are averaged over. */
export const HEADLINE: readonly string[] = ['weight_avg', 'ties', 'tsv'];
/** Reported beside them. Of two models task_arithmetic is weight_avg where the coefficient is tuned. */
export const FURTHER: readonly string[] = ['task_arithmetic', 'dare', 'isotropic'];

/** Coefficients that every merge, steered or plain, is tried at on calibration samples; the search goes on where the best lies at an end. */
export const COEFFICIENTS: Readonly<Record<string, readonly number[]>> = {
  weight_avg: [0.8, 1, 1.25, 1.5],
  ties: [0.6, 0.8, 1, 1.2],
  tsv: [0.6, 0.8, 1, 1.2],
  task_arithmetic: [1, 1.5, 2, 2.5],
  dare: [0.8, 1, 1.25, 1.5],
  isotropic: [0.6, 0.8, 1, 1.25],
};

export interface Samples {
  /** of a task, at most: what coefficients and controls are chosen by */
  readonly calibration: number;
  /** of a task, at most: what results are measured on */
  readonly test: number;
  /** how often the gaps beside the best coefficient are halved */
  readonly refinements: number;
}

export const SAMPLES: Samples = { calibration: 128, test: 1000, refinements: 1 };
export const QUICK_SAMPLES: Samples = { calibration: 128, test: 500, refinements: 0 };

/** Step sizes of plain training with as many gradient evaluations as a variant; the best on calibration pairs is its control. */
export const CONTROL_LEARNING_RATES: readonly number[] = [2.5e-4, 5e-4, 1e-3];

/** The term that the guard ships switched on by its controller. */
export const DEFAULT: Variant = {
  id: 'default',
  title: 'default: sharpness every 3rd step',
  terms: [{ term: 'sharpness', strength: 1, parameters: { radius: 0.2, every: 3 } }],
};

/** Whole pools, beside plain training and the default. */
export const POOL_VARIANTS: readonly Variant[] = [
  DEFAULT,
  {
    id: 'sharpness',
    title: 'sharpness every step',
    terms: [{ term: 'sharpness', strength: 1, parameters: { radius: 0.2 } }],
  },
  {
    id: 'merge-simulation',
    title: 'merge simulation, random directions',
    terms: [{ term: 'merge_simulation', strength: 1, parameters: { partner: 'random' } }],
  },
  {
    id: 'scale-jitter',
    title: 'scale jitter',
    terms: [{ term: 'scale_jitter', strength: 1 }],
  },
  {
    id: 'average',
    title: 'plain, averaged over the second half',
    terms: [],
    recipe: { averaging: { from: 0.5 } },
  },
];

/** One live model against fixed references: every term alone. */
export const LIVE_VARIANTS: readonly Variant[] = [
  {
    id: 'twice',
    title: 'plain, twice the steps',
    terms: [],
    recipe: { steps: 2 * FINE_TUNING.steps },
  },
  DEFAULT,
  {
    id: 'merge-simulation',
    title: 'merge_simulation',
    terms: [{ term: 'merge_simulation', strength: 1 }],
  },
  {
    id: 'merge-simulation-in-place',
    title: 'merge_simulation, in place every 2nd step',
    terms: [{ term: 'merge_simulation', strength: 1, parameters: { form: 'in_place', every: 2 } }],
  },
  {
    id: 'scale-jitter',
    title: 'scale_jitter',
    terms: [{ term: 'scale_jitter', strength: 1 }],
  },
  {
    id: 'scale-jitter-in-place',
    title: 'scale_jitter, in place every 2nd step',
    terms: [{ term: 'scale_jitter', strength: 1, parameters: { form: 'in_place', every: 2 } }],
  },
  {
    id: 'sharpness',
    title: 'sharpness',
    terms: [{ term: 'sharpness', strength: 1, parameters: { radius: 0.2 } }],
  },
  {
    id: 'gradient-norm',
    title: 'gradient_norm',
    terms: [{ term: 'gradient_norm', strength: 0.03 }],
  },
  { id: 'proximal', title: 'proximal', terms: [{ term: 'proximal', strength: 1e-3 }] },
  { id: 'subspace', title: 'subspace, avoid', terms: [{ term: 'subspace', strength: 0.01 }] },
  {
    id: 'alignment-project',
    title: 'alignment, project',
    terms: [{ term: 'alignment', strength: 1, parameters: { mode: 'project' } }],
  },
  {
    id: 'alignment-attract',
    title: 'alignment, attract',
    terms: [{ term: 'alignment', strength: 0.1, parameters: { mode: 'attract' } }],
  },
  { id: 'functional', title: 'functional', terms: [{ term: 'functional', strength: 0.01 }] },
];

/** Live tasks, one after the other: every second of the pool. */
export const LIVE_TASKS = 4;
/** Fixed references: of the pool's other tasks the first. */
export const LIVE_REFERENCES = 5;

/** Blocks of 12 steps that step times are measured over, plain and steered alternately. */
export const STEP_BLOCKS = 6;
