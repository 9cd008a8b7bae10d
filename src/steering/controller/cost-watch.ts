import { median } from './robust.js';

const READINGS = 5;
/** Steps after a change in which the mean that is read still knows the time before it: a twentieth of it then. */
const SETTLING_STEPS = 150;
/** The most rarely that a term is made to act to save time: on every n-th step, or this many times more rarely than asked for. */
export const RARELY = 64;

/**
 * How much more rarely than asked for terms act, so that what they are measured to cost stays within the budget. Only ever more
 * rarely: going back would measure the old cost again.
 */
export class CostWatch {
  readonly #budget: number;
  readonly #stretchable: readonly string[];
  readonly #readings: number[] = [];
  #settledFrom = Number.NEGATIVE_INFINITY;
  #stretch = 1;
  #isTooMuch = false;

  /** @param budget share of plain step time; @param stretchable names of the terms that can act more rarely */
  constructor(budget: number, stretchable: readonly string[]) {
    this.#budget = budget;
    this.#stretchable = stretchable;
  }

  /** what the number of steps between two actions is multiplied with, from 1 */
  get stretch(): number {
    return this.#stretch;
  }

  /** the terms cost too much however rarely those act that can */
  get isTooMuch(): boolean {
    return this.#isTooMuch;
  }

  /** @param step of the reading; @returns a sentence where the stretch changes or it is too much, else null */
  add(share: number | null, step: number): string | null {
    if (share === null || !Number.isFinite(share) || this.#isTooMuch || step < this.#settledFrom) {
      return null;
    }
    this.#readings.push(share);
    if (this.#readings.length < READINGS) {
      return null;
    }
    const typical = median(this.#readings.splice(0));
    if (typical <= this.#budget) {
      return null;
    }
    const percent = (value: number) => `${Math.round(100 * value)} %`;
    const above = `the terms cost ${percent(typical)} of step time, above their budget of ${percent(this.#budget)}`;
    if (this.#stretchable.length === 0 || this.#stretch >= RARELY) {
      this.#isTooMuch = true;
      return `${above}, and none of them can act more rarely`;
    }
    // Where the first ratio has not been enough, a part of the cost is of terms that can not act more rarely.
    const factor = this.#stretch === 1 ? typical / this.#budget : Math.max(2, typical / this.#budget);
    this.#stretch = Math.min(RARELY, this.#stretch * factor);
    this.#settledFrom = step + SETTLING_STEPS;
    return `${above}: ${this.#stretch.toFixed(1)} times as many steps as at first between two actions of ${this.#stretchable.join(', ')}`;
  }
}
