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
    low: z.number().min(0).max(2).default(0.5).describe('smallest s of base + s tau'),
    high: z.number().min(0).max(2).default(1.2).describe('largest s of base + s tau'),
    ...ELSEWHERE,
  })
  .superRefine(checkBounds)
  .describe('the loss at base + s tau, s drawn anew each time: robustness to what a merge does');

/**
 * Evaluates L(base + s tau), s uniform in [low, high], in place of L(base + tau), or adds strength times it to the loss.
 * Source: merging by averaging scales tau down, which is most of what a merge does to a model (measured on the zoo).
 */
export const scaleJitter: TermInfo = {
  name: 'scale_jitter',
  kind: 'loss',
  needs: ['loss function'],
  gradientEvaluations: (options) => extraEvaluations(parameters.parse(options)),
  defaultStrength: 0.9,
  measured:
    'strength 0.9 in place, s in .5 to 1.2, beside hold: raw accuracy of pairs after merging +1.6 (weight_avg), +1.3 (ties), +2.3 (tsv) points, single model -0.6 (zoo, 3 pools, 3 seeds)',
  parameters,
  start(options, { tensors, random }) {
    const settled = termOptions('scale_jitter', parameters, options);
    return lossElsewhere(settled, tensors, random, (evaluate) => {
      const scale = random.uniform(settled.low, settled.high);
      return { result: atScale(tensors, scale, evaluate), slopes: scale };
    });
  },
};
