import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { trainedOf } from './gradient-maps.js';
import { tauOf } from './move-weights.js';
import type { GradientTerm, TermInfo } from './term.js';
import { termOptions } from './term-options.js';

const parameters = z
  .strictObject({
    strength: z.number().min(0).max(10).default(0).describe('weight of the penalty; 0 turns the term off'),
  })
  .describe('pulls the live model towards the base');

/**
 * Penalty strength / 2 ‖tau‖²: adds strength * tau to the gradient of every steered tensor.
 * Source: L2-SP, Li et al. 2018, arXiv 1802.01483, without its penalty on the head.
 */
export const proximal: TermInfo = {
  name: 'proximal',
  kind: 'gradient',
  needs: [],
  gradientEvaluations: () => 0,
  defaultStrength: 1e-3,
  measured:
    'strength 1e-3: raw accuracy after merging 0.0 (weight_avg), 0.0 (ties), -0.1 (tsv) points, single model 0.0 (zoo, 5 fixed references, 2 live tasks, 2 seeds); ten times as much costs 1.6 points of weight_avg (4 live tasks, coefficient 1)',
  parameters,
  start(options, { tensors }): GradientTerm {
    termOptions('proximal', parameters, options);
    return {
      kind: 'gradient',
      leavesOut: null,
      actsOn: null,
      comesLast: false,
      additions(gradients, strength) {
        const trained = trainedOf(tensors, gradients);
        return Object.fromEntries(
          trained.map(({ tensor }) => [tensor.variable.name, tf.mul(tauOf(tensor), strength)]),
        );
      },
      dispose: () => {},
    };
  },
};
