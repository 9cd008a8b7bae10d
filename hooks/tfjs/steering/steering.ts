import * as tf from '@tensorflow/tfjs';
import type { GradientTerm, LossGradients, LossTerm } from '../../../src/steering/index.js';
import type { FailOpen } from '../fail-open.js';
import type { Folding } from '../folding.js';
import { byName, type Gradients, withAdditions } from '../optimizer-seam.js';
import type { StepClock } from '../step-clock.js';
import { checkBody, checkComputed } from './body-checks.js';
import type { LiveContext } from './context.js';
import type { SteeringCost } from './cost.js';
import type { Fallbacks } from './fallbacks.js';
import { type FiniteCheck, finiteCheck } from './finite-check.js';
import { isGradientTerm, isLossTerm, Orders, type SteeringOrder, type TermAtWork } from './orders.js';
import { SameDraws } from './same-draws.js';
import { SteeredGradients } from './steered-gradients.js';
import { type ComputeCall, type EvaluationOptions, StepEvaluations } from './step-evaluations.js';
import { UnusedTerms } from './unused-terms.js';
import type { SteeringWarning } from './warning.js';

export interface SteeringParts extends EvaluationOptions {
  readonly context: LiveContext;
  readonly folding: Folding;
  readonly clock: StepClock;
  readonly cost: SteeringCost;
  readonly fallbacks: Fallbacks;
  readonly failOpen: (part: string) => FailOpen;
  readonly warn: (warning: SteeringWarning) => void;
}

/** The terms in force, and the places where they act. A term that fails is left out. */
export class Steering {
  readonly #parts: SteeringParts;
  readonly #orders: Orders;
  readonly #finite: FiniteCheck;
  readonly #gradients: SteeredGradients;
  readonly #unused: UnusedTerms;
  /** loss terms that act on a step: asked once, since they may draw */
  #due: { step: number; terms: readonly TermAtWork<LossTerm>[] } = { step: -1, terms: [] };
  #computedAt = -1;
  #steeredAt = -1;
  #isInside = false;

  constructor(parts: SteeringParts) {
    const { failOpen, warn } = parts;
    this.#parts = parts;
    this.#orders = new Orders(parts);
    this.#finite = finiteCheck((count) => parts.fallbacks.add(count));
    this.#gradients = new SteeredGradients({
      ...parts,
      finite: this.#finite,
      checking: failOpen('The check of the loss'),
      moved: failOpen('The evaluation at the weights of terms in place'),
    });
    this.#unused = new UnusedTerms(warn);
  }

  /** The order is followed from its step on, and never from the middle of a step. */
  follow(order: SteeringOrder, step: number): void {
    if (this.#due.step === step) {
      this.#orders.follow(order, step + 1);
    } else {
      this.#orders.follow(order, step);
      this.#orders.at(step);
    }
  }

  /** The gradients that `computeGradients` is to give on a step. @throws what the loss throws */
  compute(call: ComputeCall, step: number): LossGradients {
    if (!this.#isInside) {
      this.#computedAt = step;
    }
    const due = this.#isInside ? [] : this.#dueAt(step);
    if (due.length === 0) {
      return call.evaluate(call.ownLoss);
    }
    const evaluations = new StepEvaluations(call, this.#parts);
    const own = () => evaluations.ownMs;
    return this.#timed(own, () => {
      try {
        return this.#gradients.all(due, evaluations, step);
      } finally {
        evaluations.end();
      }
    });
  }

  /**
   * A loop's own computation of its gradients, where the terms in place want the weights.
   * @throws MergeguardError for a computation that is none, and what it throws itself
   */
  steered(compute: () => LossGradients, step: number, stepNow: () => number): LossGradients {
    this.#steeredAt = step;
    const draws = new SameDraws();
    let ownMs = 0;
    const own = () => {
      const start = performance.now();
      const gradients = draws.run(compute);
      ownMs = performance.now() - start;
      checkComputed(gradients);
      return gradients;
    };
    const due = this.#isInside ? [] : this.#dueAt(step);
    const inPlace = due.filter(({ term }) => term.form === 'in place');
    const wasInside = this.#isInside;
    this.#isInside = true;
    try {
      const gradients =
        inPlace.length === 0
          ? own()
          : this.#timed(
              () => ownMs,
              () => this.#gradients.own(inPlace, own, step),
            );
      checkBody(step, stepNow());
      return gradients;
    } finally {
      this.#isInside = wasInside;
    }
  }

  /** Hands the gradients of a step to the optimiser, with what the gradient terms add. @param plainMs time of a plain step */
  apply(
    gradients: Gradients,
    apply: (gradients: Gradients) => void,
    { step, plainMs }: { readonly step: number; readonly plainMs: number | null },
  ): void {
    const { cost } = this.#parts;
    const inForce = this.#orders.at(step);
    this.#unused.step(inForce, {
      computed: this.#computedAt === step,
      steered: this.#steeredAt === step,
    });
    const terms = inForce.filter(isGradientTerm);
    if (terms.length === 0) {
      cost.step(plainMs);
      apply(gradients);
      return;
    }
    const all = this.#timed(
      () => 0,
      () => withTerms(gradients, terms),
    );
    cost.step(plainMs);
    try {
      apply(all.gradients);
    } finally {
      tf.dispose(all.made);
    }
  }

  #dueAt(step: number): readonly TermAtWork<LossTerm>[] {
    if (this.#due.step !== step) {
      const terms = this.#orders.at(step).filter(isLossTerm);
      this.#due = { step, terms: terms.filter(({ term, strength }) => term.due(step, strength)) };
      if (this.#due.terms.length > 0) {
        this.#parts.fallbacks.step();
      }
    }
    return this.#due.terms;
  }

  /** @param own milliseconds of what the training would have done itself */
  #timed<Result>(own: () => number, body: () => Result): Result {
    const start = performance.now();
    const result = body();
    const ms = performance.now() - start - own();
    this.#parts.clock.own(ms);
    this.#parts.cost.add(ms);
    return result;
  }

  /** The training is over: resolves when all is told that the device counts. */
  settle(): Promise<void> {
    return this.#finite.settle();
  }

  dispose(): void {
    this.#orders.dispose();
    this.#finite.dispose();
  }
}

/** The gradients with what gradient terms add; `made` is to be disposed afterwards. */
function withTerms(
  gradients: Gradients,
  terms: readonly TermAtWork<GradientTerm>[],
): ReturnType<typeof withAdditions> {
  return tf.tidy(() => {
    const first = terms.filter(({ term }) => !term.comesLast);
    const last = terms.filter(({ term }) => term.comesLast);
    const sum = withAdditions(gradients, additions(first, gradients));
    // The sum first, so that what takes it away leaves zeros and no rounding, which Adam would make a step of.
    const all = withAdditions(sum.gradients, additions(last, sum.gradients));
    return { gradients: all.gradients, made: [...sum.made, ...all.made] };
  });
}

/** What gradient terms add, by variable name; new tensors. */
function additions(terms: readonly TermAtWork<GradientTerm>[], gradients: Gradients): tf.NamedTensorMap {
  const incoming = byName(gradients);
  return tf.tidy(() => {
    const total: tf.NamedTensorMap = {};
    for (const { term, strength, failOpen } of terms) {
      const added = failOpen.run(() => term.additions(incoming, strength)) ?? {};
      for (const [name, tensor] of Object.entries(added)) {
        total[name] = Object.hasOwn(total, name) ? tf.add(total[name], tensor) : tensor;
      }
    }
    return total;
  });
}
