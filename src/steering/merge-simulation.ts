import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { type Cut, dropCut, TrimCuts } from './cut.js';
import { type Displaced, ELSEWHERE, lossElsewhere } from './elsewhere.js';
import { atPlace, tauOf } from './move-weights.js';
import { PARTNERS, type PartnerTau, partnersOf } from './partner.js';
import { extraEvaluations } from './schedule.js';
import type { LossGradients, SteeredTensor, TermInfo } from './term.js';
import { checkBounds, termOptions } from './term-options.js';

const parameters = z
  .strictObject({
    strength: z
      .number()
      .min(0)
      .max(10)
      .default(0)
      .describe('weight of the added loss, in place the share of steps; 0 turns the term off'),
    low: z.number().min(0).max(2).default(0.5).describe('smallest merge coefficient a'),
    high: z.number().min(0).max(2).default(1).describe('largest merge coefficient a'),
    partner: z
      .enum(PARTNERS)
      .default('auto')
      .describe(
        'the other task vector: of a random reference, the live one in random directions, or none; auto: references where there are any, else random',
      ),
    cut: z
      .enum(['none', 'drop', 'trim'])
      .default('none')
      .describe('what is kept of tau: all, as DARE does (drop), as TIES does (trim)'),
    rate: z.number().min(0).lt(1).default(0.5).describe('share of tau that cut: drop drops'),
    density: z
      .number()
      .gt(0)
      .max(1)
      .default(0.2)
      .describe('share of tau, the largest in magnitude, that cut: trim keeps'),
    ...ELSEWHERE,
  })
  .superRefine(checkBounds)
  .describe('the loss where a merge with a partner would put the weights, drawn anew each time');

/**
 * Evaluates L(base + a (cut(tau) + tau_partner)) in place of L(base + tau), or adds strength times it to the loss; a uniform in
 * [low, high]. The partner is a constant to the chain rule, also where it was made of tau; of cut values the derivative
 * is the factor that they were cut with.
 * Source: the merge itself, task arithmetic of Ilharco et al. 2023, arXiv 2212.04089, as a perturbation of training.
 */
export const mergeSimulation: TermInfo = {
  name: 'merge_simulation',
  kind: 'loss',
  needs: ['loss function'],
  gradientEvaluations: (options) => extraEvaluations(parameters.parse(options)),
  defaultStrength: 0.2,
  measured:
    'strength 0.2 in place, a in .5 to 1, the plain models of the other tasks as references: raw accuracy of pairs after merging +5.9 (weight_avg), +2.3 (ties), +3.6 (tsv) points, single model +0.7 against plain training at its best step size, -0.1 at the same (zoo, 3 pools, 3 seeds)',
  parameters,
  start(options, context) {
    const settled = termOptions('merge_simulation', parameters, options);
    const { low, high, cut, rate, density } = settled;
    const { tensors, random } = context;
    const partners = partnersOf(settled.partner, context);
    const trims = cut === 'trim' ? new TrimCuts(tensors, density, random) : null;
    const drawCut = () => (cut === 'drop' ? dropCut(rate, random) : (trims?.draw() ?? null));
    const displace = (evaluate: () => LossGradients): Displaced => {
      const scale = random.uniform(low, high);
      const partner = partners();
      const slopes = slopesOf(tensors, scale, drawCut());
      return merged(tensors, { scale, slopes, partner }, evaluate);
    };
    return lossElsewhere(settled, tensors, random, displace, () => trims?.dispose());
  },
};

/** a times what the cut keeps, by tensor, kept; a alone where nothing is cut. */
function slopesOf(tensors: readonly SteeredTensor[], scale: number, cut: Cut | null): Displaced['slopes'] {
  if (cut === null) {
    return scale;
  }
  const slopes = tensors.map((tensor) => tf.keep(tf.tidy(() => tf.mul(cut.factors(tensor), scale))));
  cut.dispose();
  return slopes;
}

interface Merge {
  readonly scale: number;
  readonly slopes: Displaced['slopes'];
  readonly partner: PartnerTau;
}

/** Evaluates at base + slope tau + a tau_partner. */
function merged(
  tensors: readonly SteeredTensor[],
  { scale, slopes, partner }: Merge,
  evaluate: () => LossGradients,
): Displaced {
  const place = (tensor: SteeredTensor, index: number) => {
    const slope = typeof slopes === 'number' ? slopes : slopes[index];
    const own = tf.add(tensor.base(), tf.mul(tauOf(tensor), slope));
    const other = partner(tensor);
    return other === null ? own : tf.add(own, tf.mul(other, scale));
  };
  try {
    return { result: atPlace(tensors, place, evaluate), slopes };
  } catch (error) {
    if (typeof slopes !== 'number') {
      tf.dispose([...slopes]);
    }
    throw error;
  }
}
