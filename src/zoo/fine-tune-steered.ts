import * as tf from '@tensorflow/tfjs';
import type { Reference } from '../reference/index.js';
import type { NamedTensors } from '../tensors/index.js';
import { referenceOf, setEncoder } from './pool.js';
import { attachSteering, type Steering } from './steering-hook.js';
import type { Task } from './task.js';
import { type Recipe, train } from './train.js';
import type { VisionTransformer } from './vision-transformer.js';

export interface FineTuned {
  readonly reference: Reference;
  /** a step, counted; 1 is plain training */
  readonly gradientEvaluations: number;
  /** what the hook had to say of the terms */
  readonly warnings: readonly string[];
}

/**
 * `fineTuneReference` with steering terms at work, by the real hook around the optimiser. Without terms it is that to the bit, and
 * nothing is attached.
 * @throws MergeguardError where a term does not act, and what a term throws: a model that was half steered is none
 */
export async function fineTuneSteered(
  model: VisionTransformer,
  base: NamedTensors,
  task: Task,
  recipe: Recipe,
  seed: number,
  steering: Steering,
): Promise<FineTuned> {
  const { terms } = steering;
  setEncoder(model, base);
  model.addHead(task.name, task.classes, seed);
  const optimizer = tf.train.adam(recipe.learningRate);
  const evaluations = countGradients(optimizer);
  try {
    const hook = await attachSteering(optimizer, model, task, steering, seed);
    try {
      await train(model, [task], recipe, { seed, optimizer });
    } finally {
      await hook.close();
    }
    hook.check();
    const madeBy = { seed, recipe, ...(terms.length > 0 ? { steering: terms } : {}) };
    return {
      reference: await referenceOf(model, base, task, madeBy),
      gradientEvaluations: evaluations() / recipe.steps,
      warnings: hook.warnings,
    };
  } finally {
    optimizer.dispose();
    model.removeHead(task.name);
  }
}

/** How often gradients have been computed from now on. What wraps the optimiser later is counted too. */
function countGradients(optimizer: tf.Optimizer): () => number {
  const original = optimizer.computeGradients;
  let count = 0;
  optimizer.computeGradients = (f, variables) => {
    count += 1;
    return original.call(optimizer, f, variables);
  };
  return () => count;
}
