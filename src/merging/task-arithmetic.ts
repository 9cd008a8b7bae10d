import { z } from 'zod';
import { evenly } from './combination.js';
import { defineCombination } from './merge-method.js';

/** base + coefficient * the sum of the task vectors. */
export const taskArithmetic = defineCombination({
  name: 'task_arithmetic',
  parameters: z.strictObject({
    coefficient: z.number().min(0).max(2).default(0.3).describe('factor on the sum of the task vectors'),
  }),
  idParameter: 'coefficient',
  source: 'Ilharco et al. 2023, arXiv 2212.04089; coefficient 0.3 as in arXiv 2601.22285',
  combination: ({ coefficient }, count) => evenly(count, coefficient),
});
