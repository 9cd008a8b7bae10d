import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { trainedOf } from './gradient-maps.js';
import { upTheGradient } from './move-weights.js';
import { dueOn, extraEvaluations, SCHEDULE } from './schedule.js';
import type { LossGradients, LossTerm, TermInfo } from './term.js';
import { termOptions } from './term-options.js';

const parameters = z
  .strictObject({
    strength: z.number().min(0).max(10).default(0).describe('weight of the penalty; 0 turns the term off'),
    radius: z
      .number()
      .gt(0)
      .max(10)
      .default(0.05)
      .describe('how far up the gradient the other end of the finite difference lies'),
    ...SCHEDULE,
  })
  .describe('penalises the norm of the gradient of the loss, by a finite difference of gradients');

/**
 * Adds strength ‖g‖ to the loss, g the gradient by the steered tensors as one vector. Its gradient H g / ‖g‖ is the finite
 * difference (g(w + r g / ‖g‖) - g(w)) / r, exact on a quadratic: Zhao et al. 2022, arXiv 2202.03599. Heads
 * are neither moved nor penalised: they get nothing added.
 */
export const gradientNorm: TermInfo = {
  name: 'gradient_norm',
  kind: 'loss',
  needs: ['loss function'],
  gradientEvaluations: (options) => extraEvaluations(parameters.parse(options)),
  defaultStrength: 0.03,
  measured:
    "strength 0.03 on every third step: raw accuracy after merging +0.7 (weight_avg), +0.9 (ties), +1.3 (tsv) points, single model +0.2, at 1.3 times the step cost; none of the live task's own loss is closed (zoo, 5 fixed references, 2 live tasks, 2 seeds)",
  parameters,
  start(options, { tensors, random }): LossTerm {
    const { radius, ...schedule } = termOptions('gradient_norm', parameters, options);
    return {
      kind: 'loss',
      form: 'added',
      usesPlain: true,
      due: dueOn(schedule, random),
      evaluate(evaluate, strength, given) {
        const plain = given as LossGradients;
        const { value, grads } = upTheGradient(tensors, plain.grads, { radius, adaptive: false }, () =>
          evaluate(),
        );
        const additions: tf.NamedTensorMap = {};
        for (const { tensor, gradient } of trainedOf(tensors, grads)) {
          const { name } = tensor.variable;
          additions[name] = tf.tidy(() => tf.mul(tf.sub(gradient, plain.grads[name]), strength / radius));
        }
        tf.dispose(grads);
        return { value, grads: additions };
      },
      dispose: () => {},
    };
  },
};
