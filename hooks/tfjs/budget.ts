/** What the guard does on the training's time. */
export const ACTIVITIES = ['fold', 'tick', 'probe', 'slow', 'functional', 'merge', 'look'] as const;
export type Activity = (typeof ACTIVITIES)[number];

/**
 * How the budget is split; a share that has nothing to do goes to the others. A self-probe costs about as much as the merge probe of
 * one pair (two passes over samples, three and a merge), and is to come at least twice as often.
 */
const SHARES: Record<Activity, number> = {
  fold: 0.18,
  tick: 0.2,
  probe: 0.25,
  slow: 0.15,
  functional: 0.1,
  merge: 0.1,
  look: 0.02,
};
/** Weight of the newest measurement in a running cost. */
const NEWEST = 0.2;
/** A step this many times longer than usual was interrupted: by an evaluation, a checkpoint. */
const PAUSE = 4;

/**
 * Keeps the guard's cost under a share of the plain step time. Every step pays `overhead` of a step's time into
 * an account per activity; an activity may run when its account covers what it last cost, so cost above the
 * expected is paid back by waiting. The first run of each is measured before training and is free. On a device that computes
 * beside the thread a run is charged at least what it took then, since the time that the thread takes to hand it over says little.
 */
export class Budget {
  readonly #overhead: number;
  readonly #shares: Record<Activity, number>;
  readonly #balance: Record<Activity, number> = byActivity(() => 0);
  readonly #cost: Record<Activity, number | null> = byActivity(() => null);
  /** what a run is charged at least */
  readonly #least: Record<Activity, number> = byActivity(() => 0);
  /** null: the thread computes itself */
  #answerMs: number | null = null;
  #stepMs: number | null = null;
  #wasLong = false;
  #plainTotal = 0;
  #spentTotal = 0;
  #isOver = false;

  /** `overhead`: share of the step time, 0..0.5; `active`: the activities that will run at all. */
  constructor(overhead: number, active: readonly Activity[]) {
    this.#overhead = overhead;
    const sum = active.reduce((total, activity) => total + SHARES[activity], 0);
    this.#shares = byActivity((activity) => (active.includes(activity) ? SHARES[activity] / sum : 0));
  }

  /** The device computes beside the thread, and answers after this long where it has nothing to do. To be said before any `expect`. */
  beside(answerMs: number): void {
    this.#answerMs = answerMs;
  }

  /** What an activity costs, measured outside of training, where the device was waited for. */
  expect(activity: Activity, ms: number): void {
    // Training does not wait for the answer: that is no cost of it.
    const cost = Math.max(0, ms - (this.#answerMs ?? 0));
    this.#cost[activity] = cost;
    this.#least[activity] = this.#answerMs === null ? 0 : cost;
  }

  /** What an activity does has become this many times as much since it was measured, more than 0. */
  scale(activity: Activity, times: number): void {
    const cost = this.#cost[activity];
    this.#cost[activity] = cost === null ? null : times * cost;
    this.#least[activity] *= times;
  }

  /** A training step took this long without the guard. A single long one is a pause, and counts as usual. */
  step(elapsedMs: number): void {
    const isLong = this.#stepMs !== null && elapsedMs > PAUSE * this.#stepMs;
    const isPause = isLong && !this.#wasLong;
    this.#wasLong = isLong;
    const plainMs = isPause ? (this.#stepMs as number) : elapsedMs;
    this.#stepMs = this.#stepMs === null ? plainMs : this.#stepMs + NEWEST * (plainMs - this.#stepMs);
    this.#plainTotal += plainMs;
    for (const activity of ACTIVITIES) {
      const cost = this.#cost[activity] ?? 0;
      const income = this.#overhead * this.#shares[activity] * plainMs;
      // Nobody saves up for a burst: what is left over after two runs is the training's.
      this.#balance[activity] = Math.min(this.#balance[activity] + income, 2 * cost);
    }
  }

  affords(activity: Activity): boolean {
    const cost = this.#cost[activity];
    return cost !== null && this.#shares[activity] > 0 && this.#balance[activity] >= cost;
  }

  /** Steps as they are now that pay for one run; null before both are measured, infinite where nothing is to be spent. */
  stepsPerRun(activity: Activity): number | null {
    const cost = this.#cost[activity];
    if (cost === null || this.#stepMs === null) {
      return null;
    }
    return cost / (this.#overhead * this.#shares[activity] * this.#stepMs);
  }

  /** @param threadMs what it took of the training's thread */
  spend(activity: Activity, threadMs: number): void {
    const ms = Math.max(threadMs, this.#least[activity]);
    const cost = this.#cost[activity];
    this.#cost[activity] = cost === null ? ms : cost + NEWEST * (ms - cost);
    this.#balance[activity] -= ms;
    this.#spentTotal += this.#isOver ? 0 : ms;
  }

  /** Training is over: what the last measurements cost keeps nobody waiting for a step, and is no overhead. */
  end(): void {
    this.#isOver = true;
  }

  /** Milliseconds; null before the first measurement. */
  cost(activity: Activity): number | null {
    return this.#cost[activity];
  }

  get stepMs(): number | null {
    return this.#stepMs;
  }

  /** Time spent so far over plain training time so far; null before the first step. */
  get overhead(): number | null {
    return this.#plainTotal > 0 ? this.#spentTotal / this.#plainTotal : null;
  }
}

function byActivity<Value>(of: (activity: Activity) => Value): Record<Activity, Value> {
  return Object.fromEntries(ACTIVITIES.map((activity) => [activity, of(activity)])) as Record<
    Activity,
    Value
  >;
}
