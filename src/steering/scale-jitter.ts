import { z } from 'zod';
import { ELSEWHERE, lossElsewhere } from './elsewhere.js';
import { atScale } from './move-weights.js';
import { extraEvaluations } from './schedule.js';
import type { TermInfo } from './term.js';
import { checkBounds, termOptions } from './term-options.js';

const parameters = z
  .strictObject({
    strength: z
      .number()
      .min(0)
      .max(10)
      .default(0)
      .describe('weight of the added loss, in place the share of steps; 0 turns the term off'),
    low: z.number().min(0).max(2).default(0.2).describe('smallest s of base + s tau'),
    high: z.number().min(0).max(2).default(0.7).describe('largest s of base + s tau'),
    ...ELSEWHERE,
  })
  .superRefine(checkBounds)
  .describe('the loss at base + s tau, s drawn anew each time: robustness to what a merge does');

/**
 * Adds strength L(base + s tau) to the loss, s uniform in [low, high], or evaluates that in place of L(base + tau).
 * Source: merging by averaging scales tau down, which is most of what a merge does to a model (measured on the zoo).
 */
export const scaleJitter: TermInfo = {
  name: 'scale_jitter',
  kind: 'loss',
  needs: ['loss function'],
  gradientEvaluations: (options) => extraEvaluations(parameters.parse(options)),
  defaultStrength: 1,
  measured:
    'strength 1 on every step, s in .2 to .7: raw accuracy after merging +2.4 (weight_avg), +5.9 (task_arithmetic 0.3), +2.5 (ties) points, single model -0.7, at twice the step cost (zoo, 4 live tasks, 2 seeds)',
  parameters,
  start(options, { tensors, random }) {
    const settled = termOptions('scale_jitter', parameters, options);
    return lossElsewhere(settled, tensors, random, (evaluate) => {
      const scale = random.uniform(settled.low, settled.high);
      return { result: atScale(tensors, scale, evaluate), slopes: scale };
    });
  },
};
