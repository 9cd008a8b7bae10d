import { isLossTerm, type TermAtWork } from './orders.js';
import type { SteeringWarning } from './warning.js';

/** Tells once when a term waits for a loss function that the loop never shows. */
export class UnusedTerms {
  readonly #warn: (warning: SteeringWarning) => void;
  #isTold = false;

  constructor(warn: (warning: SteeringWarning) => void) {
    this.#warn = warn;
  }

  /** A step is done. @param seen whether it went through computeGradients, or `steered` */
  step(
    inForce: readonly TermAtWork[],
    seen: { readonly computed: boolean; readonly steered: boolean },
  ): void {
    if (this.#isTold || seen.computed) {
      return;
    }
    const unused = inForce
      .filter(isLossTerm)
      .filter(({ term }) => !(seen.steered && term.form === 'in place'));
    if (unused.length === 0) {
      return;
    }
    this.#isTold = true;
    const canBeSteered = unused.some(({ term }) => term.form === 'in place');
    this.#warn({
      title: 'A steering term does nothing',
      text: `${[...new Set(unused.map(({ name }) => name))].join(', ')}: it evaluates the loss at other weights, and ${seen.steered ? 'inside `steered` there is one evaluation' : 'this loop hands over gradients only'}: call optimizer.minimize or optimizer.computeGradients${seen.steered ? ' outside of it' : ''}${canBeSteered ? '; or, for forms "in_place", compute the gradients inside `steered` of what attach has returned' : ''}`,
      evidence: {},
    });
  }
}
