import { MergeguardError } from '../tensors/index.js';
import type { IndexPair } from './block-sums.js';
import { type CompareOptions, type Comparison, compareModels } from './compare-models.js';
import { modelPaths } from './model-paths.js';

/**
 * Every pair of some models by every metric.
 * @throws MergeguardError for fewer than two models, and as `compareModels`
 */
export async function compareAll(given: readonly string[], options: CompareOptions): Promise<Comparison> {
  const paths = await modelPaths(given, options.base);
  if (paths.length < 2) {
    throw new MergeguardError(
      `${given.join(', ') || 'nothing'} is ${paths.length === 1 ? 'one model' : 'no model'}; a matrix compares at least two`,
    );
  }
  const pairs: IndexPair[] = [];
  for (let a = 0; a < paths.length; a++) {
    for (let b = a + 1; b < paths.length; b++) {
      pairs.push([a, b]);
    }
  }
  return compareModels(paths, pairs, options);
}

/**
 * One model against some references by every metric, the model as the live side.
 * @throws MergeguardError where the model is a folder of several or there is no reference, and as `compareModels`
 */
export async function compareWith(
  model: string,
  references: readonly string[],
  options: CompareOptions,
): Promise<Comparison> {
  const paths = await modelPaths([model, ...references], options.base, model);
  if (paths.length < 2) {
    throw new MergeguardError(`there is no reference to compare ${model} with; give at least one`);
  }
  const pairs = paths.slice(1).map((_, r): IndexPair => [0, r + 1]);
  return compareModels(paths, pairs, options);
}
