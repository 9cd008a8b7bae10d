import { cpus } from 'node:os';
import { quantile } from '../../../src/fingerprint/statistics.js';
import type { NamedTensors } from '../../../src/tensors/index.js';
import type { Steering } from '../../../src/zoo/steering-hook.js';
import type { Task } from '../../../src/zoo/task.js';
import type { Recipe } from '../../../src/zoo/train.js';
import type { ZooEvaluators } from '../../../src/zoo/zoo-evaluators.js';
import type { Units } from '../common/units.js';
import type { StepCost } from './steer-table.js';
import type { Variant } from './variant.js';

const FORMAT = 1;

export interface StepCostOptions {
  readonly base: NamedTensors;
  readonly task: Task;
  readonly recipe: Recipe;
  readonly seed: number;
  readonly steering: Steering;
  readonly evaluators: ZooEvaluators;
  readonly units: Units;
  /** of 12 steps */
  readonly blocks: number;
}

/** Step times of a variant on this machine, whose threads must have nothing else to do; null where it does nothing in a step. */
export async function stepCostOf(
  variant: Variant,
  { base, task, recipe, seed, steering, evaluators, units, blocks }: StepCostOptions,
): Promise<StepCost | null> {
  if (variant.terms.length === 0 && recipe.averaging === undefined) {
    return null;
  }
  const machine = `${cpus()[0]?.model} ${cpus().length}`;
  const references = steering.references?.length ?? 0;
  const inputs = [FORMAT, machine, variant.terms, recipe, references, blocks];
  return units.get(`step-cost-${variant.id}`, inputs, async () => {
    const times = await evaluators.stepTimes(base, { task, recipe, seed, steering, blocks });
    const plainMs = quantile(times.plain, 0.5);
    const steeredMs = quantile(times.steered, 0.5);
    return { ratio: steeredMs / plainMs, plainMs, steeredMs };
  });
}
