import type { EvaluateLoss, LossGradients, LossTerm } from '../../../src/steering/index.js';
import { dropTape } from '../leave-no-trace.js';
import { disposeGradients } from './gradients.js';
import type { TermAtWork } from './orders.js';

/** Lets a term evaluate; null where it failed, and then what it had evaluated is disposed. */
export function attempt(
  { term, strength, failOpen }: TermAtWork<LossTerm>,
  evaluate: EvaluateLoss,
  plain: LossGradients | null,
): LossGradients | null {
  const given: LossGradients[] = [];
  const noted: EvaluateLoss = (loss) => {
    const gradients = evaluate(loss);
    given.push(gradients);
    return gradients;
  };
  const result = failOpen.run(() => term.evaluate(noted, strength, term.usesPlain ? plain : null));
  if (result === null) {
    given.forEach(disposeGradients);
    dropTape();
  }
  return result;
}
