import { median } from './robust.js';

const READINGS = 5;
/** Readings after a change that still know the time before it. */
const SETTLING = 10;
const RARELY = 64;

/**
 * How much more rarely than asked for terms act, so that what they are measured to cost stays within the budget. Only ever more
 * rarely: going back would measure the old cost again.
 */
export class CostWatch {
  readonly #budget: number;
  readonly #readings: number[] = [];
  #settling = 0;
  #stretch = 1;

  /** @param budget share of plain step time */
  constructor(budget: number) {
    this.#budget = budget;
  }

  /** what the number of steps between two actions is multiplied with, from 1 */
  get stretch(): number {
    return this.#stretch;
  }

  /** @returns a sentence where the stretch changes, else null */
  add(share: number | null): string | null {
    if (share === null || !Number.isFinite(share)) {
      return null;
    }
    if (this.#settling > 0) {
      this.#settling -= 1;
      return null;
    }
    this.#readings.push(share);
    if (this.#readings.length < READINGS) {
      return null;
    }
    const typical = median(this.#readings.splice(0));
    if (typical <= this.#budget || this.#stretch >= RARELY) {
      return null;
    }
    this.#stretch = Math.min(RARELY, (this.#stretch * typical) / this.#budget);
    this.#settling = SETTLING;
    const percent = (value: number) => `${Math.round(100 * value)} %`;
    return `the terms cost ${percent(typical)} of step time, above their budget of ${percent(this.#budget)}: they act ${this.#stretch.toFixed(1)} times more rarely than at first`;
  }
}
