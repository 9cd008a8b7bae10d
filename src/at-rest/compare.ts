import { MergeguardError } from '../tensors/index.js';
import type { IndexPair } from './block-sums.js';
import { type CompareOptions, type Comparison, compareModels } from './compare-models.js';

/**
 * Every pair of some models by every metric.
 * @throws MergeguardError for fewer than two models, and as `compareModels`
 */
export function compareAll(given: readonly string[], options: CompareOptions): Promise<Comparison> {
  return compareModels(
    given,
    (models) => {
      if (models.length < 2) {
        throw new MergeguardError(`${given.join(', ')} is one model; a matrix compares at least two`);
      }
      const pairs: IndexPair[] = [];
      for (let a = 0; a < models.length; a++) {
        for (let b = a + 1; b < models.length; b++) {
          pairs.push([a, b]);
        }
      }
      return pairs;
    },
    options,
  );
}

/**
 * One model against some references by every metric, the model as the live side.
 * @throws as `compareModels`
 */
export function compareWith(
  model: string,
  references: readonly string[],
  options: CompareOptions,
): Promise<Comparison> {
  return compareModels(
    [model, ...references],
    (models) => models.slice(1).map((_, r): IndexPair => [0, r + 1]),
    options,
  );
}
