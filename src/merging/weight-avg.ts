import { z } from 'zod';
import { defineMethod } from './merge-method.js';
import { scaledSum } from './scaled-sum.js';

/** base + the mean of the task vectors, which is the mean of the models. */
export const weightAvg = defineMethod({
  name: 'weight_avg',
  parameters: z.strictObject({}),
  idParameter: null,
  source: 'Wortsman et al. 2022, arXiv 2203.05482 (uniform soup)',
  elementwise: () => true,
  mergeTensor: ({ taus }) => scaledSum(taus, 1 / taus.length),
});
