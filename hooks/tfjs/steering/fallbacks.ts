import type { SteeringWarning } from './warning.js';

/** As many fallbacks among as many steered steps are no accident. */
const MOST = 3;
const WINDOW = 100;

/** Counts the steps on which a term fell back to plain training, and tells when it happens again and again. */
export class Fallbacks {
  readonly #warn: (warning: SteeringWarning) => void;
  #steps = 0;
  #total = 0;
  #taken = 0;
  /** the last ones, by steered step */
  #recent: number[] = [];
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(warn: (warning: SteeringWarning) => void) {
    this.#warn = warn;
  }

  /** A term acts on this step. */
  step(): void {
    this.#steps += 1;
  }

  add(count: number): void {
    this.#total += count;
    this.#recent.push(...new Array(count).fill(this.#steps));
    this.#recent = this.#recent.filter((step) => step > this.#steps - WINDOW);
    if (this.#recent.length >= MOST && this.#toldAt <= this.#steps - WINDOW) {
      this.#toldAt = this.#steps;
      this.#warn({
        title: 'The gradients at the weights of a steering term are not finite',
        text: `on ${this.#recent.length} of the last ${Math.min(this.#steps, WINDOW)} steered steps; those steps are trained plainly. Give the term a smaller strength, radius or range, or the training a smaller learning rate`,
        evidence: { fallbacks: this.#total, steeredSteps: this.#steps },
      });
    }
  }

  /** How many since the last time that this was asked. */
  take(): number {
    const count = this.#total - this.#taken;
    this.#taken = this.#total;
    return count;
  }
}
