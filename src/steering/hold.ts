import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { MergeguardError, someOf } from '../tensors/errors.js';
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
  .describe(
    'holds biases, norms and position tables where they are from then on: only matrices and kernels are trained',
  );

/** Names of position tables, by their last parts: of transformers, timm, torchvision, fairseq, GPT-2 and CLIP, and the zoo's. */
const POSITION_TABLE =
  /(^|\.)(position|pos_embed|pos_embedding|embed_positions|position_embeddings?|positional_embedding|wpe)(\.weight)?$/;

const MOST_NAMES = 4;

/**
 * Takes the gradient of every tensor away, other terms' additions included, that has fewer than two dimensions or is a position
 * table: they stay where they are, which is the base's place from the first step on. One that begins later takes nothing
 * back, and an optimiser with momentum carries them on for some steps. These tensors are few and are added to all
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
    'strength 1 alone: raw accuracy after merging -0.6 (weight_avg), +0.2 (ties), +0.3 (tsv) points, single model -0.5 (zoo, 5 fixed references, 2 live tasks, 2 seeds)',
  parameters,
  start(options, { tensors }): GradientTerm {
    termOptions('hold', parameters, options);
    const held = tensors.filter(isHeld);
    if (held.length === 0) {
      throw new MergeguardError('every steered tensor is a matrix: there is nothing to hold');
    }
    const names = held.map(({ name }) => name);
    if (!tensors.some((tensor) => tensor.variable.trainable && !isHeld(tensor))) {
      throw new MergeguardError(
        `it would hold all that is trained (${someOf(names, MOST_NAMES)}); it needs a tensor of two dimensions or more beside position tables`,
      );
    }
    return {
      kind: 'gradient',
      leavesOut: null,
      actsOn: `hold holds ${held.length} of ${tensors.length} tensors: ${someOf(names, MOST_NAMES)}`,
      comesLast: true,
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

function isHeld({ name, variable, isFactor }: SteeredTensor): boolean {
  return !isFactor && (variable.shape.length < 2 || POSITION_TABLE.test(name));
}
