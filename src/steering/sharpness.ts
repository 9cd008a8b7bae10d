import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { mapGradients } from './gradient-maps.js';
import { upTheGradient } from './move-weights.js';
import { MovingGradient } from './moving-gradient.js';
import { dueOn, extraEvaluations, FORM, SCHEDULE } from './schedule.js';
import type { LossGradients, LossTerm, SteeringContext, TermInfo } from './term.js';
import { termOptions } from './term-options.js';

const parameters = z
  .strictObject({
    strength: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe(
        'share of the perturbed gradient in the sum with the plain one, in place the share of steps; 0 turns the term off',
      ),
    radius: z.number().gt(0).max(10).default(0.05).describe('how far the weights are moved up the gradient'),
    adaptive: z
      .boolean()
      .default(false)
      .describe(
        'moves each weight by its magnitude (ASAM), which asks for a radius about ten times as large',
      ),
    decay: z
      .number()
      .min(0)
      .lt(1)
      .default(0.9)
      .describe('in place: decay of the moving average of gradients that gives the direction'),
    direction: z
      .enum(['up', 'down'])
      .default('up')
      .describe('in place: up, where the loss was rising, or down, where the last steps lead (momentum SAM)'),
    ...SCHEDULE,
    form: FORM.default('added'),
  })
  .describe(
    'the gradient where the loss near the live weights is largest (SAM): flat minima, which merge better',
  );

type Options = z.output<typeof parameters>;

/**
 * Trains with (1 - strength) g(w) + strength g(w + e), e = radius g / ‖g‖ with g = g(w): sharpness-aware minimisation, Foret et
 * al. 2021, arXiv 2010.01412, algorithm 1. `adaptive`: e = radius T² g / ‖T g‖ with T = |w| + 0.01:
 * ASAM, Kwon et al. 2021, arXiv 2102.11600. Norms are over all steered tensors as one vector; heads are not moved.
 *
 * In place there is no second evaluation: g is a moving average of the gradients that the term saw on the steps before, and the
 * result is g(w + e), or with direction `down` g(w - e), which is the sign of momentum SAM, Becker et al. 2024, arXiv 2401.12033.
 * The first step on which it acts is a plain one.
 */
export const sharpness: TermInfo = {
  name: 'sharpness',
  kind: 'loss',
  needs: ['loss function'],
  gradientEvaluations: (options) => extraEvaluations(parameters.parse(options)),
  defaultStrength: 1,
  measured:
    "added, radius .05, strength 1 on every third step: raw accuracy after merging +0.9 (weight_avg), +1.1 (ties), +1.7 (tsv) points, single model +0.4, at 1.3 times the step cost; none of the live task's own loss is closed (zoo, 5 fixed references, 2 live tasks, 2 seeds); a radius of .5 breaks training",
  parameters,
  start(options, context): LossTerm {
    const settled = termOptions('sharpness', parameters, options);
    const due = dueOn(settled, context.random);
    return { kind: 'loss', due, ...(settled.form === 'added' ? added : inPlace)(settled, context) };
  },
};

type Evaluation = Pick<LossTerm, 'form' | 'usesPlain' | 'evaluate' | 'dispose'>;

function added(options: Options, { tensors }: SteeringContext): Evaluation {
  return {
    form: 'added',
    usesPlain: true,
    evaluate(evaluate, strength, given) {
      const plain = given as LossGradients;
      const perturbed = upTheGradient(tensors, plain.grads, options, () => evaluate());
      return mapGradients(perturbed, (gradient, name) => {
        const here = plain.grads[name];
        return tf.mul(here == null ? gradient : tf.sub(gradient, here), strength);
      });
    },
    dispose: () => {},
  };
}

function inPlace(options: Options, { tensors }: SteeringContext): Evaluation {
  const average = new MovingGradient(tensors, options.decay);
  const sign = options.direction === 'up' ? 1 : -1;
  const perturbation = { radius: sign * options.radius, adaptive: options.adaptive };
  return {
    form: 'in place',
    usesPlain: false,
    evaluate(evaluate) {
      const result = upTheGradient(tensors, average.gradients, perturbation, () => evaluate());
      average.fold(result.grads);
      return result;
    },
    dispose: () => average.dispose(),
  };
}
