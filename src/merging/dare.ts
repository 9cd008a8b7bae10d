import { z } from 'zod';
import { Random } from '../tensors/random.js';
import { wordsOf } from './magnitude-threshold.js';
import { defineMethod } from './merge-method.js';

/**
 * base + coefficient * the mean of the task vectors, after each has lost every one of its values with probability
 * 1 - density and the others have been divided by density, which keeps the expected value.
 *
 * What is kept of a tensor follows from the seed, the tensor's name and the magnitudes in it, so neither the order of
 * the models nor that of the tensors matters, and a model loses the same values in every merge it takes part in. Models
 * that are equal lose the same values too: a model merged with itself is that model after its loss.
 */
export const dare = defineMethod({
  name: 'dare',
  parameters: z.strictObject({
    coefficient: z
      .number()
      .min(0)
      .max(2)
      .default(1)
      .describe('factor on the mean of the thinned task vectors; the number of models makes it their sum'),
    density: z
      .number()
      .gt(0)
      .max(1)
      .default(0.5)
      .describe('probability with which each value of a task vector is kept'),
    seed: z.int().min(0).default(0).describe('of the draws'),
  }),
  idParameter: 'coefficient',
  source:
    "Yu et al. 2023, arXiv 2311.03099; density 0.5 and the mean as in FusionBench's DareSimpleAverage, arXiv 2406.03280",
  mergeTensor({ name, taus }, { coefficient, density, seed }) {
    const draws = taus.map((tau) => new Random('dare', seed, name, hashOf(tau)));
    const factor = coefficient / (taus.length * density);
    const out = new Float32Array(taus[0]!.length);
    for (let i = 0; i < out.length; i++) {
      let sum = 0;
      for (let m = 0; m < taus.length; m++) {
        if (draws[m]!.uniform() < density) {
          sum += taus[m]![i]!;
        }
      }
      out[i] = factor * sum;
    }
    return out;
  },
});

/** FNV-1a over the magnitudes' words. Without the signs, so that negated models make the negated merge. */
function hashOf(tau: Float32Array): number {
  let hash = 2166136261;
  for (const word of wordsOf(tau)) {
    hash = Math.imul(hash ^ (word & 0x7fffffff), 16777619);
  }
  return hash >>> 0;
}
