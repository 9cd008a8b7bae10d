/** Tells the time of plain training from the guard's own. */
export class StepClock {
  #mark: number | null = null;
  #ownMs = 0;

  /** The next step's gradients are here: milliseconds of plain training since the last step's; null the first time. */
  step(): number | null {
    const now = performance.now();
    const plainMs = this.#mark === null ? null : Math.max(0, now - this.#mark - this.#ownMs);
    this.#mark = now;
    this.#ownMs = 0;
    return plainMs;
  }

  /** What passed since the last step and is not training. */
  own(ms: number): void {
    this.#ownMs += ms;
  }
}

/** Milliseconds that `body` took. */
export function timed(body: () => void): number {
  const start = performance.now();
  body();
  return performance.now() - start;
}
