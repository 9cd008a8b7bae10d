import { z } from 'zod';
import { checkTaus } from './check-taus.js';
import { type MergeMethod, readParameters } from './merge-method.js';
import { scaledSum } from './scaled-sum.js';

const parameters = z.strictObject({});

/** base + the mean of the task vectors, which is the mean of the models. */
export const weightAvg: MergeMethod = {
  name: 'weight_avg',
  parameters,
  idParameter: null,
  source: 'Wortsman et al. 2022, arXiv 2203.05482 (uniform soup)',
  merge(taus, given = {}) {
    readParameters('weight_avg', parameters, given);
    checkTaus(taus);
    return scaledSum(taus, 1 / taus.length);
  },
};
