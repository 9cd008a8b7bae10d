import type * as tf from '@tensorflow/tfjs';
import { deviceDone, isAsynchronous } from '../../src/backend/index.js';
import type { GuardConfig } from '../../src/guard/index.js';
import type { Budget } from './budget.js';
import type { FailOpen } from './fail-open.js';
import type { GradientAverage } from './gradient-average.js';
import type { Retreat } from './reference-memory/index.js';
import { timed } from './step-clock.js';

export interface FoldingParts {
  /** null: the gradient average is not fed by the training */
  readonly average: GradientAverage | null;
  readonly stride: GuardConfig['tap']['foldStride'];
  readonly budget: Budget;
  readonly retreat: Retreat;
  readonly failOpen: FailOpen;
}

/** Feeds the average of plain gradients, at most once a step, as stride or budget have it. */
export class Folding {
  readonly #parts: FoldingParts;
  #doneAt = -1;
  #perturbed = 0;

  constructor(parts: FoldingParts) {
    this.#parts = parts;
  }

  /** Measures what a fold costs here. @throws what fails in it */
  async rehearse(): Promise<void> {
    const { average, budget, retreat } = this.#parts;
    // The first round compiles; the second is what the budget starts from.
    for (let round = 0; round < 2 && average !== null; round++) {
      const start = performance.now();
      await retreat.untilDone(async () => {
        average.rehearse();
        if (isAsynchronous()) {
          await deviceDone();
        }
      });
      budget.expect('fold', performance.now() - start);
    }
  }

  /**
   * The plain gradients of a step: after a term has added to them they are not plain any more, so the first ones count. Those
   * that the device has no room for are left out, and references give theirs back.
   */
  fold(gradients: Readonly<Record<string, tf.Tensor | null | undefined>>, step: number): void {
    const { average, failOpen, budget, retreat } = this.#parts;
    if (average === null || !this.#isDue(step)) {
      return;
    }
    failOpen.run(() => {
      const ms = timed(() => retreat.attempt(() => average.fold(gradients, step)));
      budget.spend('fold', ms);
    });
  }

  /** The gradients of this step are of other weights than the live ones. */
  leaveOut(step: number): void {
    if (this.#parts.average !== null && this.#isDue(step)) {
      this.#perturbed += 1;
    }
  }

  /** For the first that asks at a step. */
  #isDue(step: number): boolean {
    if (this.#doneAt === step) {
      return false;
    }
    this.#doneAt = step;
    const { stride, budget } = this.#parts;
    return stride === 'auto' ? budget.affords('fold') : step % stride === 0;
  }

  /** Steps left out since the last time that this was asked. */
  takePerturbed(): number {
    const count = this.#perturbed;
    this.#perturbed = 0;
    return count;
  }
}
