import { PAIR_WIDTH, SIDE, SIDE_WIDTH, TURN_WIDTH, type Turns } from '../../../src/metrics/index.js';

/** The last numbers of every pair, on the host, for ticks that leave some of them out. R references, T tensors. */
export class Comparisons {
  /** [R, T, 8], columns PAIR; NaN before the first comparison, and where others measure */
  readonly pair: Float32Array;
  readonly #tensors: number;
  /** see Turns */
  readonly #live: Float32Array;
  readonly #measuredAt: (number | null)[];

  constructor(references: number, tensors: number) {
    this.#tensors = tensors;
    this.pair = new Float32Array(references * tensors * PAIR_WIDTH).fill(Number.NaN);
    this.#live = new Float32Array(references * tensors * TURN_WIDTH).fill(Number.NaN);
    this.#measuredAt = new Array(references).fill(null);
  }

  /** What stands in `pair` of reference r is of this step, and of a live model with these sides: [T, 5], columns SIDE. */
  note(r: number, step: number, live: Float32Array): void {
    this.#measuredAt[r] = step;
    for (let t = 0; t < this.#tensors; t++) {
      const cell = (r * this.#tensors + t) * TURN_WIDTH;
      this.#live[cell + SIDE.tauNorm] = live[t * SIDE_WIDTH + SIDE.tauNorm];
      this.#live[cell + SIDE.gradientNorm] = live[t * SIDE_WIDTH + SIDE.gradientNorm];
    }
  }

  /** Null where every pair is of this step. */
  turns(step: number): Turns | null {
    return this.#measuredAt.every((at) => at === step)
      ? null
      : { measuredAt: [...this.#measuredAt], live: this.#live.slice() };
  }
}
