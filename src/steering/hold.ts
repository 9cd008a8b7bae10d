import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { MergeguardError } from '../tensors/errors.js';
import { trainedOf } from './gradient-maps.js';
import type { GradientTerm, SteeredTensor, TermInfo } from './term.js';
import { termOptions } from './term-options.js';

const parameters = z
  .strictObject({
    strength: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('share of the gradient that is taken away; 1: held still, 0 turns the term off'),
  })
  .describe('keeps biases, norms and positions where the base has them: only matrices are trained');

/**
 * Takes the gradient of every tensor away that is no matrix to multiply with. These tensors are few and are added to all
 * activations, and no merge method has a way of its own for them: those by singular vectors average them beside matrices
 * that are summed. An optimiser that divides by the length of past gradients, such as Adam, hardly notices a strength
 * between 0 and 1. Source: measured on the zoo (`measured`); training without biases alone, or only them, is usual (BitFit, Ben Zaken et
 * al. 2021, arXiv 2106.10199).
 */
export const hold: TermInfo = {
  name: 'hold',
  kind: 'gradient',
  needs: [],
  gradientEvaluations: () => 0,
  defaultStrength: 1,
  measured:
    'strength 1, beside scale_jitter in place: raw accuracy of pairs after merging +0.2 (weight_avg), +0.3 (ties), +1.9 (tsv) points, single model -0.9 (zoo, 1 pools, 1 seed)',
  parameters,
  start(options, { tensors }): GradientTerm {
    termOptions('hold', parameters, options);
    const held = tensors.filter(isNoMatrix);
    if (held.length === 0) {
      throw new MergeguardError('every steered tensor is a matrix: there is nothing to hold');
    }
    return {
      kind: 'gradient',
      leavesOut: null,
      additions: (gradients, strength) =>
        Object.fromEntries(
          trainedOf(held, gradients).map(({ tensor, gradient }) => [
            tensor.variable.name,
            tf.mul(gradient, -strength),
          ]),
        ),
      dispose: () => {},
    };
  },
};

/** As names of the models that people fine-tune go: `position_embedding.weight` is a table, not a matrix. */
function isNoMatrix({ name, variable, isFactor }: SteeredTensor): boolean {
  return !isFactor && (variable.shape.length < 2 || !name.endsWith('weight') || name.includes('position'));
}
