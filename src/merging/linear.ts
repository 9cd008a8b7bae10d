import { z } from 'zod';
import { evenly } from './combination.js';
import { defineCombination } from './merge-method.js';

/** A sum of weights this small beside the weights is what rounding leaves of zero. */
const CANCELLED = 1e-9;

/**
 * base + the sum of weights[m] * task vector m. With `normalise` the weights are divided by their sum first: then it
 * is the weighted mean of the models too. The weights are in the order of the models.
 */
export const linear = defineCombination({
  name: 'linear',
  parameters: z
    .strictObject({
      weights: z
        .array(z.number().min(-10).max(10))
        .refine((weights) => weights.length !== 1, 'give each model its weight, or none')
        .default([])
        .describe('one for each model, in their order; none: 1 for each'),
      normalise: z.boolean().default(true).describe('whether to divide the weights by their sum'),
    })
    .refine(({ weights, normalise }) => !normalise || weights.length === 0 || hasSum(weights), {
      path: ['weights'],
      message: 'their sum is zero, so they can not be divided by it; set normalise=false or change one',
    }),
  idParameter: null,
  source: 'Wortsman et al. 2022, arXiv 2203.05482, with weights as in mergekit, arXiv 2403.13257',
  models: ({ weights }) =>
    weights.length === 0
      ? { least: 2, most: Number.POSITIVE_INFINITY }
      : { least: weights.length, most: weights.length },
  combination({ weights, normalise }, count) {
    if (weights.length === 0) {
      return evenly(count, normalise ? 1 / count : 1);
    }
    return { weights, factor: normalise ? 1 / sumOf(weights) : 1 };
  },
});

function hasSum(weights: readonly number[]): boolean {
  return Math.abs(sumOf(weights)) > CANCELLED * sumOf(weights.map(Math.abs));
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
