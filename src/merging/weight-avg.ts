import { z } from 'zod';
import { evenly } from './combination.js';
import { defineCombination } from './merge-method.js';

/** base + the mean of the task vectors, which is the mean of the models. */
export const weightAvg = defineCombination({
  name: 'weight_avg',
  parameters: z.strictObject({}),
  idParameter: null,
  source: 'Wortsman et al. 2022, arXiv 2203.05482 (uniform soup)',
  combination: (_, count) => evenly(count, 1 / count),
});
