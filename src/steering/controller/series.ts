/** An accuracy that was measured at some step, a fraction. */
export interface Measured {
  readonly step: number;
  readonly value: number;
  /** of `value`, from the samples it was measured on; 0 where it is not known */
  readonly standardError: number;
}

/** Values kept: what is older no comparison asks for. */
const MOST_VALUES = 200;

/** One quantity over the run, oldest first. What is not finite is left out, and so is what does not go forward in steps. */
export class Series {
  #points: Measured[] = [];

  add(point: Measured): void {
    const last = this.#points.at(-1);
    if (Number.isFinite(point.value) && (last === undefined || point.step > last.step)) {
      this.#points.push(point);
      if (this.#points.length > MOST_VALUES) {
        this.#points.shift();
      }
    }
  }

  get last(): Measured | undefined {
    return this.#points.at(-1);
  }

  /** What was measured after this step. */
  after(step: number): Measured[] {
    return this.#points.filter((point) => point.step > step);
  }
}
