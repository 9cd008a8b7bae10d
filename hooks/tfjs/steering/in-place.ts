import * as tf from '@tensorflow/tfjs';
import type { EvaluateLoss, LossGradients, LossTerm } from '../../../src/steering/index.js';
import { attempt } from './attempt.js';
import { disposeGradients } from './gradients.js';
import type { TermAtWork } from './orders.js';

/**
 * The training's own evaluation where the terms want the weights: the first moves them, the second from there, and so on;
 * they are back when it returns. A term that fails moves nothing.
 * @throws what `own` throws
 */
export function evaluateInPlace(
  terms: readonly TermAtWork<LossTerm>[],
  own: () => LossGradients,
): LossGradients {
  const thrown: unknown[] = [];
  const innermost: EvaluateLoss = () => {
    try {
      return own();
    } catch (error) {
      // It is no failure of the terms, who put the weights back and are not told.
      thrown.push(error);
      return { value: tf.scalar(Number.NaN), grads: {} };
    }
  };
  const nested = terms.reduceRight<EvaluateLoss>(
    (inner, atWork) => () => attempt(atWork, inner, null) ?? inner(),
    innermost,
  );
  const gradients = nested();
  if (thrown.length > 0) {
    disposeGradients(gradients);
    throw thrown[0];
  }
  return gradients;
}
