import * as tf from '@tensorflow/tfjs';
import type { LossGradients, LossTerm } from '../../../src/steering/index.js';
import type { FailOpen } from '../fail-open.js';
import type { Folding } from '../folding.js';
import { dropTape, Snapshot } from '../leave-no-trace.js';
import { attempt } from './attempt.js';
import type { FiniteCheck } from './finite-check.js';
import { addInto, disposeGradients } from './gradients.js';
import { evaluateInPlace } from './in-place.js';
import { checkSameLoss } from './loss-check.js';
import type { TermAtWork } from './orders.js';
import type { EvaluationOptions, StepEvaluations } from './step-evaluations.js';
import type { SteeringWarning } from './warning.js';

export interface GradientsParts extends EvaluationOptions {
  readonly finite: FiniteCheck;
  readonly folding: Pick<Folding, 'fold' | 'leaveOut'>;
  /** of the check that two evaluations give one loss */
  readonly checking: FailOpen;
  /** of evaluations that throw at the weights of terms in place, and not at the live ones */
  readonly moved: FailOpen;
  readonly warn: (warning: SteeringWarning) => void;
}

/** Makes the gradients of a step from the plain ones and what the due terms evaluate. */
export class SteeredGradients {
  readonly #parts: GradientsParts;
  #isChecked = false;

  constructor(parts: GradientsParts) {
    this.#parts = parts;
  }

  /** The training's own gradients, where terms in place want the weights, with those of the added terms on top. */
  all(due: readonly TermAtWork<LossTerm>[], evaluations: StepEvaluations, step: number): LossGradients {
    const added = due.filter(({ term }) => term.form === 'added');
    const inPlace = due.filter(({ term }) => term.form === 'in place');
    const own = () => this.own(inPlace, () => evaluations.own(), step);
    const user = added.find(({ term }) => term.usesPlain);
    const first = this.#parts.plainFirst || user ? own() : null;
    if (first && user && !this.#isChecked) {
      this.#isChecked = true;
      this.#check(user.name, evaluations, inPlace.length === 0 ? first.value : null);
    }
    const extras = added.flatMap((atWork) => this.#extra(atWork, evaluations, first) ?? []);
    const gradients = first ?? own();
    for (const extra of extras) {
      addInto(gradients.grads, extra);
    }
    return gradients;
  }

  /**
   * The training's own gradients alone. Where they are not finite at moved weights, or the loss throws there, they are those
   * at the live ones after all.
   * @param evaluate the training's own evaluation
   * @throws what it throws at the live weights
   */
  own(inPlace: readonly TermAtWork<LossTerm>[], evaluate: () => LossGradients, step: number): LossGradients {
    const { finite, folding, moved, nonTrainable } = this.#parts;
    let failure: { readonly error: unknown } | null = null;
    if (inPlace.length > 0 && !moved.off) {
      const before = new Snapshot(nonTrainable);
      let gradients: LossGradients | null = null;
      try {
        gradients = finite.pass(evaluateInPlace(inPlace, evaluate));
      } catch (error) {
        failure = { error };
        dropTape();
      } finally {
        before[gradients === null ? 'restore' : 'dispose']();
      }
      if (gradients !== null) {
        moved.run(() => {});
        folding.leaveOut(step);
        return gradients;
      }
    }
    const gradients = evaluate();
    if (failure !== null) {
      this.#fallBack(failure.error, gradients);
    }
    folding.fold(gradients.grads, step);
    return gradients;
  }

  /** Plain training goes where the loss threw at moved weights alone. @throws the error with `strict` */
  #fallBack(error: unknown, plain: LossGradients): void {
    try {
      this.#parts.moved.run(() => {
        throw error;
      });
    } catch (thrown) {
      disposeGradients(plain);
      throw thrown;
    }
  }

  #extra(
    atWork: TermAtWork<LossTerm>,
    evaluations: StepEvaluations,
    plain: LossGradients | null,
  ): LossGradients | null {
    const extra = attempt(atWork, (loss) => evaluations.apart(loss), plain);
    return extra && this.#parts.finite.pass(extra);
  }

  /** @param value of the loss at the live weights; null: that evaluation was elsewhere */
  #check(term: string, evaluations: StepEvaluations, value: tf.Scalar | null): void {
    const { checking, warn } = this.#parts;
    checking.run(() => {
      const first = value === null ? evaluations.value() : tf.keep(value.clone());
      checkSameLoss(term, first, evaluations.value(), warn).catch((error) =>
        checking.runLate(() => {
          throw error;
        }),
      );
    });
  }
}
