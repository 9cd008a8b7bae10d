/** An accuracy that was measured at some step, a fraction. */
export interface Measured {
  readonly step: number;
  /** the first step of what it is the mean of; absent: all is of `step` */
  readonly since?: number;
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

  /** What was measured after this step, all of it. */
  after(step: number): Measured[] {
    return this.#points.filter((point) => (point.since ?? point.step) > step);
  }
}

/** Steps from the first to the last point; 0 of none. */
export function spanOf(points: readonly Measured[]): number {
  return points.length === 0 ? 0 : points.at(-1)!.step - points[0]!.step;
}

/** The last points: at least `count`, and as many as span at least so many steps; all where those are not there. */
export function latest(points: readonly Measured[], count: number, steps: number): Measured[] {
  const last = points.at(-1)?.step ?? 0;
  const reach = points.findLastIndex(({ step }) => last - step >= steps);
  return points.slice(Math.max(0, Math.min(reach, points.length - count)));
}
