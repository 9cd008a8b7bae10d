import { z } from 'zod';
import type { TermInfo } from './term.js';

export const subspaceParameters = z.strictObject({
  strength: z.number().min(0).max(10).default(0).describe('weight of the penalty; 0 turns the term off'),
  mode: z
    .enum(['avoid', 'encourage'])
    .default('avoid')
    .describe('keep out of, or pull into, the subspaces of the references'),
});

export const subspace: TermInfo = {
  name: 'subspace',
  kind: 'gradient',
  needs: ['references'],
  gradientEvaluations: 0,
  defaultStrength: 0.01,
  measured:
    'avoid, the top-8 right subspaces of the references, strength 1e-2: raw accuracy after merging -1.0 (weight_avg), -1.4 (task_arithmetic 0.3), +0.4 (ties) points, single model -0.5; it protects the references a little and costs the live model more',
  parameters: subspaceParameters,
};
