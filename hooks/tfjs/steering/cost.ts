/** Share of what came before that a step still counts: a mean over about 50 steps, with terms that act on every n-th of them. */
const KEPT = 0.98;

/** What the terms in force cost. On a backend that works on its own (webgpu, webgl), the time to hand it the work. */
export class SteeringCost {
  #step = 0;
  #terms = 0;
  #plain = 0;
  #hasActed = false;
  /** milliseconds on the last step on which terms acted; null: none did yet */
  termMs: number | null = null;

  /** Terms took so long, on the step that is under way. */
  add(ms: number): void {
    this.#hasActed = true;
    this.#step += ms;
  }

  /** A step is done that takes so long without terms; null: not known yet. */
  step(plainMs: number | null): void {
    if (this.#step > 0) {
      this.termMs = this.#step;
    }
    if (plainMs !== null) {
      this.#terms = KEPT * this.#terms + this.#step;
      this.#plain = KEPT * this.#plain + plainMs;
    }
    this.#step = 0;
  }

  /** Mean term time over plain step time; null before terms have acted. */
  get share(): number | null {
    return this.#hasActed && this.#plain > 0 ? this.#terms / this.#plain : null;
  }
}
