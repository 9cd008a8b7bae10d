import { z } from 'zod';
import { checkTaus } from './check-taus.js';
import { type MergeMethod, readParameters } from './merge-method.js';
import { scaledSum } from './scaled-sum.js';

const parameters = z.strictObject({
  coefficient: z.number().min(0).max(2).default(0.3).describe('factor on the sum of the task vectors'),
});

/** base + coefficient * the sum of the task vectors. */
export const taskArithmetic: MergeMethod = {
  name: 'task_arithmetic',
  parameters,
  idParameter: 'coefficient',
  source: 'Ilharco et al. 2023, arXiv 2212.04089; coefficient 0.3 as in arXiv 2601.22285',
  merge(taus, given = {}) {
    const { coefficient } = readParameters('task_arithmetic', parameters, given);
    checkTaus(taus);
    return scaledSum(taus, coefficient);
  },
};
