import type { GuardConfig } from '../../src/guard/index.js';
import type { Activity, Budget } from './budget.js';
import type { FailOpen } from './fail-open.js';
import type { FunctionalProbe } from './functional-probe.js';
import type { MergeProbe, MergeResult } from './merge-probe/index.js';
import type { Retreat } from './reference-memory/index.js';
import { type Pieces, SlowTask } from './slow-task.js';
import type { SpectralSweep } from './spectral-sweep.js';
import type { TickStatistics } from './statistics.js';
import type { StepClock } from './step-clock.js';

/** How long detaching may wait for the last measurement of everything, milliseconds. */
const LONGEST_FINISH_MS = 60_000;

/** What the slow lane measures in a run; null for what it does not. */
export interface SlowMeasurements {
  readonly spectral: SpectralSweep | null;
  readonly functional: FunctionalProbe | null;
  readonly merge: MergeProbe | null;
}

export interface SlowLaneParts {
  readonly measurements: SlowMeasurements;
  readonly config: Pick<GuardConfig, 'slow' | 'functional' | 'mergeProbe'>;
  readonly budget: Budget;
  readonly clock: StepClock;
  readonly retreat: Retreat;
  readonly failOpen: (part: string) => FailOpen;
  readonly warn: (title: string, text: string) => void;
  readonly progress: (phase: string, done: number, total: number) => void;
  readonly probed: (result: MergeResult) => void;
}

interface AtWork {
  /** what it measures, for people */
  readonly what: string;
  readonly activity: Activity;
  readonly pieces: Pieces & Partial<Pick<SpectralSweep, 'fill'>>;
  readonly task: SlowTask;
}

/**
 * What is too expensive for every tick: spectra and bottom subspaces in a worker thread, activations and input gradients
 * on calibration samples, real merges. Ticks carry the last values, with their age; results of merges go out by themselves.
 */
export class SlowLane {
  readonly #parts: SlowLaneParts;
  readonly #atWork: AtWork[] = [];

  constructor(parts: SlowLaneParts) {
    this.#parts = parts;
    const { measurements, config } = parts;
    if (measurements.spectral) {
      this.#add('spectra', 'slow', config.slow.every, measurements.spectral);
    }
    if (measurements.functional) {
      this.#add('functional metrics', 'functional', config.functional.every, measurements.functional);
    }
    if (measurements.merge) {
      measurements.merge.listen(parts.probed);
      this.#add('merges', 'merge', config.mergeProbe.every, measurements.merge);
    }
  }

  #add(what: string, activity: Activity, every: 'auto' | number, pieces: AtWork['pieces']): void {
    const { budget, clock, failOpen, retreat } = this.#parts;
    const options = {
      activity,
      every,
      budget,
      clock,
      retreat,
      failOpen: failOpen(`The slow lane (${what})`),
    };
    this.#atWork.push({ what, activity, pieces, task: new SlowTask(pieces, options) });
  }

  /** Activities that there will be. */
  static activities({ spectral, functional, merge }: SlowMeasurements): Activity[] {
    return [
      ...(spectral ? ['slow' as const] : []),
      ...(functional?.count ? ['functional' as const] : []),
      ...(merge?.count ? ['merge' as const] : []),
    ];
  }

  /** Measures what a piece costs here. @throws what fails in it */
  async rehearse(): Promise<void> {
    const { budget, retreat } = this.#parts;
    for (const { activity, pieces } of this.#atWork.filter(({ pieces: { count } }) => count > 0)) {
      // The first round compiles; the second is what the budget starts from.
      await retreat.untilDone(() => pieces.rehearse());
      const start = performance.now();
      const count = await retreat.untilDone(() => pieces.rehearse());
      budget.expect(activity, (performance.now() - start) / count);
    }
  }

  /** Begins what is due. @throws with `strict` what failed since the last call */
  step(step: number): void {
    for (const { task } of this.#atWork) {
      task.step(step);
    }
  }

  /** Puts the last values into a tick's statistics, or why they are not there. */
  fill(statistics: TickStatistics): void {
    for (const { pieces } of this.#atWork) {
      pieces.fill?.(statistics);
    }
  }

  /** Measures everything at this step, for a minute at most. @throws with `strict` what fails in it */
  async finish(step: number): Promise<void> {
    let isOver = false;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        isOver = true;
        resolve();
      }, LONGEST_FINISH_MS);
    });
    try {
      for (const { what, task, pieces } of this.#atWork.filter(({ pieces: { count } }) => count > 0)) {
        let measured = 0;
        const proceed = (done: number) => {
          measured = done;
          if (!isOver) {
            this.#parts.progress(`measure ${what}`, done, pieces.count);
          }
          return !isOver;
        };
        await Promise.race([task.complete(step, proceed), timeout]);
        if (isOver) {
          this.#warnOfCut(what, measured, pieces.count);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #warnOfCut(what: string, measured: number, count: number): void {
    const text = `detaching does not wait longer than ${LONGEST_FINISH_MS / 1000} s; ${measured} of ${count} pieces are of the final weights, the others are older (see their ages)`;
    this.#parts.warn(`The last measurement of ${what} was cut off`, text);
  }

  /** What is under way is forgotten. */
  stop(): void {
    for (const { task } of this.#atWork) {
      task.stop();
    }
  }
}

/** Gives the device memory and the thread back. */
export async function closeMeasurements({ spectral, functional, merge }: SlowMeasurements): Promise<void> {
  try {
    functional?.dispose();
  } finally {
    await Promise.all([spectral?.close(), merge?.close()]);
  }
}
