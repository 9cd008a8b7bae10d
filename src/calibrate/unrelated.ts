import type { ModelAtRest } from '../at-rest/model.js';
import type { NamedCheckpoint } from '../at-rest/named-checkpoint.js';
import type { SharedTensor } from '../at-rest/shared-tensors.js';
import { elementCount, squaredNorm } from '../tensors/index.js';

/** Values of a tensor that are looked at. */
const SAMPLED = 1 << 14;
/** ‖model - base‖ over ‖base‖: fine-tuning stays far below, another model of the same shapes is at about the root of 2. */
const FARTHEST = 1;

/**
 * Checkpoints say nothing of their base. One that is farther from this base than the base is from zero was hardly fine-tuned
 * from it: a sentence for each of these. Looks at the first values of every tensor.
 */
export async function unrelatedModels(
  base: NamedCheckpoint,
  models: readonly ModelAtRest[],
  tensors: readonly SharedTensor[],
): Promise<string[]> {
  const problems: string[] = [];
  for (const model of models.filter(({ kind }) => kind === 'checkpoint')) {
    let [moved, whole] = [0, 0];
    for (const { name, shape } of tensors) {
      const range = { start: 0, count: Math.min(SAMPLED, elementCount(shape)) };
      const from = await base.read(name, range);
      whole += squaredNorm(from);
      moved += squaredNorm(await model.tau(name, range, async () => from));
    }
    const distance = Math.sqrt(moved / whole);
    if (distance >= FARTHEST) {
      problems.push(
        `${model.name} is ${distance.toFixed(2)} times as far from the base ${base.path} as that is from zero: ` +
          'it was hardly fine-tuned from it; all models of a pool must have this one base',
      );
    }
  }
  return problems;
}
