import { availableParallelism } from 'node:os';
import type { Activity, Budget } from './budget.js';
import { submitPending } from './compute/compute-program.js';
import type { FailOpen } from './fail-open.js';
import type { Retreat } from './reference-memory/index.js';
import type { StepClock } from './step-clock.js';

/** A long measurement that is done piece by piece. */
export interface Pieces {
  /** pieces in one measurement, which are done in turn for ever */
  readonly count: number;
  /** milliseconds that other threads have worked for it so far */
  readonly threadMs: number;
  /** a measurement has been begun, and pieces of it are left */
  readonly midway: boolean;
  /**
   * Does on the training's thread what the next piece needs, then gives the promise of what is left to do when the
   * device, or a worker thread, is ready.
   */
  begin(step: number): Promise<() => void>;
  /** What was begun is forgotten: the next piece is the first. */
  restart(): void;
  /** Does what a few pieces cost the training's thread, and forgets it; gives their number. @throws what fails in it */
  rehearse(): Promise<number>;
}

/**
 * A thread that works takes a core and memory bandwidth, which the training may want: with `auto` it rests this many
 * times as long as it has worked.
 */
const REST = 3;

export interface SlowTaskOptions {
  readonly activity: Activity;
  /** steps between the starts of two measurements; auto: a piece whenever the budget has it */
  readonly every: 'auto' | number;
  readonly budget: Budget;
  readonly clock: StepClock;
  readonly failOpen: FailOpen;
  /** a piece that the device has no room for is left out */
  readonly retreat: Pick<Retreat, 'attempt'>;
}

/**
 * Does a measurement beside the training: one piece at a time, the next only when the last is done, and never waited
 * for by a step. What it costs the training's thread, and other threads' share of the cores, is measured and paid from the
 * budget.
 */
export class SlowTask {
  readonly #pieces: Pieces;
  readonly #options: SlowTaskOptions;
  #begunAt = 0;
  /** performance.now() before which nothing is begun */
  #restsUntil = 0;
  /** whether it succeeded */
  #pending: Promise<boolean> | null = null;
  #isStopped = false;

  constructor(pieces: Pieces, options: SlowTaskOptions) {
    this.#pieces = pieces;
    this.#options = options;
  }

  /** Begins the next piece if one is due. @throws with `strict` what failed in it or in the one before */
  step(step: number): void {
    this.#options.failOpen.rethrow();
    if (this.#pending === null && this.#isDue(step)) {
      this.#start(step);
    }
  }

  #isDue(step: number): boolean {
    const { every, budget, activity } = this.#options;
    // Before the first step the live model is the base: there is nothing to measure.
    if (step === 0 || this.#pieces.count === 0) {
      return false;
    }
    return every === 'auto'
      ? budget.affords(activity) && performance.now() >= this.#restsUntil
      : this.#pieces.midway || step - this.#begunAt >= every;
  }

  #start(step: number): void {
    const { failOpen, clock, budget, activity, retreat } = this.#options;
    if (failOpen.off) {
      return;
    }
    if (!this.#pieces.midway) {
      this.#begunAt = step;
    }
    const start = performance.now();
    const threadMs = this.#pieces.threadMs;
    const begun = this.#begin(step);
    const beginningMs = performance.now() - start;
    const end = (finish: () => void): boolean => {
      if (this.#isStopped) {
        return false;
      }
      let isDone = false;
      const received = performance.now();
      this.#restsUntil = received + REST * (received - start);
      this.#pending = null;
      failOpen.runLate(() => {
        retreat.attempt(() => {
          finish();
          isDone = true;
        });
      });
      const endingMs = performance.now() - received;
      clock.own(endingMs);
      // What a thread takes from the cores is taken from a training that uses all of them.
      const takenMs = (this.#pieces.threadMs - threadMs) / availableParallelism();
      budget.spend(activity, beginningMs + endingMs + takenMs);
      return isDone;
    };
    this.#pending = begun.then(end, (error) =>
      end(() => {
        throw error;
      }),
    );
  }

  /** Async, so that whatever it throws comes as a rejection. */
  async #begin(step: number): Promise<() => void> {
    // See FailOpen.
    submitPending();
    try {
      return this.#pieces.begin(step);
    } finally {
      submitPending();
    }
  }

  /**
   * Measures all pieces at this step, from the first one, after what is under way, unless it is switched off; `proceed` is asked before each
   * piece, and told at the end, with how many are done. One that failed is not.
   * @throws with `strict` what fails in it
   */
  async complete(step: number, proceed: (done: number) => boolean): Promise<void> {
    await this.#pending;
    const { failOpen } = this.#options;
    const { count } = this.#pieces;
    this.#pieces.restart();
    let done = 0;
    let goesOn = count > 0 && !failOpen.off && proceed(done);
    while (goesOn) {
      this.#start(step);
      done += (await this.#pending) ? 1 : 0;
      failOpen.rethrow();
      // A piece that failed may take others along.
      goesOn = proceed(done) && this.#pieces.midway && !failOpen.off;
    }
  }

  /** What is under way is forgotten, and what goes wrong in it. */
  stop(): void {
    this.#isStopped = true;
  }
}
