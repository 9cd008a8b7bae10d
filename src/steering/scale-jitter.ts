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
    'in place, strength 0.9 so that one step in ten is plain and can be measured; on every step, s in .6 to 1.2, with the step size that suits it: raw accuracy of pairs after merging +0.8 (weight_avg), +0.5 (ties), +2.4 (tsv) points, single model +0.8 (twins of the zoo in PyTorch, coefficients tuned, 1 pools, 1 seed)',
  parameters,
  start(options, { tensors, random }) {
    const settled = termOptions('scale_jitter', parameters, options);
    return lossElsewhere(settled, tensors, random, (evaluate) => {
      const scale = random.uniform(settled.low, settled.high);
      return { result: atScale(tensors, scale, evaluate), slopes: scale };
    });
  },
};
