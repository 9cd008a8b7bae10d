import * as tf from '@tensorflow/tfjs';
import type { AlertEvent } from '../../../src/guard/index.js';
import type { Reference } from '../../../src/reference/index.js';
import { elementCount } from '../../../src/tensors/index.js';
import type { Budget } from '../budget.js';
import type { Calibration } from '../calibration.js';
import { sampleProblem } from '../calibration-samples.js';
import type { FailOpen } from '../fail-open.js';
import { type StepClock, timed } from '../step-clock.js';
import { enteringSamples } from './entering-samples.js';
import { rowHashes } from './row-hashes.js';

/** Values of training samples that are compared at once. */
const MOST_VALUES = 2 ** 19;
/** Samples that have been trained on before it is told: one may be in a data set twice. */
const ENOUGH = 2;

/** What of an alert is not the same for all. */
export type LookWarning = Pick<AlertEvent, 'title' | 'text' | 'evidence' | 'reference'>;

export interface LookParts {
  readonly budget: Budget;
  readonly clock: StepClock;
  readonly failOpen: FailOpen;
  readonly warn: (warning: LookWarning) => void;
}

/** Calibration samples of the live task, or of a reference. */
interface Watched {
  /** null: of the live task */
  readonly reference: string | null;
  readonly samples: number;
  /** of samples that are there once, and not blank */
  readonly hashes: ReadonlySet<number>;
  readonly seen: Set<number>;
  isTold: boolean;
}

/**
 * Sees whether calibration samples are trained on, which makes accuracies and probes too good: compares what goes into the loss
 * function, now and then and as the budget has it, with the calibration samples of the live task and of the references, value by value
 * (by a hash). Not seen are a loop that computes its gradients without the optimiser, samples that are changed (scaled, augmented)
 * inside the loss function, and those that a `tf.tidy` inside it has made and disposed.
 */
export class TrainingLook {
  readonly #sample: readonly number[];
  readonly #watched: readonly Watched[];
  /** what comparing all calibration samples cost */
  readonly #expectedMs: number;
  #parts: LookParts | null = null;
  #isPending = false;
  #hasLooked = false;
  #compared = 0;

  private constructor(sample: readonly number[], watched: readonly Watched[], expectedMs: number) {
    this.#sample = sample;
    this.#watched = watched;
    this.#expectedMs = expectedMs;
  }

  static async open({ inputs }: Calibration, references: readonly Reference[]): Promise<TrainingLook> {
    const values = await inputs.data();
    const watched: Watched[] = [];
    const ms = timed(() => {
      watched.push(watchedOf(null, values, inputs.shape[0]));
      for (const reference of references) {
        if (reference.calibration !== null && sampleProblem(reference, inputs) === null) {
          const { shape, data } = reference.calibration.images;
          watched.push(watchedOf(reference.name, data, shape[0]));
        }
      }
    });
    return new TrainingLook(inputs.shape.slice(1), watched, ms);
  }

  /** From now on there is somebody to tell. */
  begin(parts: LookParts): void {
    this.#parts = parts;
    parts.budget.expect('look', this.#expectedMs);
  }

  /** The loss function, looked into where that is due. @throws with `strict` what failed since the last call */
  into(loss: () => tf.Scalar): () => tf.Scalar {
    this.#parts?.failOpen.rethrow();
    return this.#isDue()
      ? () => {
          const value = loss();
          this.#look();
          return value;
        }
      : loss;
  }

  #isDue(): boolean {
    const parts = this.#parts;
    return (
      parts !== null &&
      !this.#isPending &&
      !parts.failOpen.off &&
      this.#watched.some(({ isTold, hashes }) => !isTold && hashes.size > 0) &&
      // The first batch is looked at whatever the budget says.
      (!this.#hasLooked || parts.budget.affords('look'))
    );
  }

  #look(): void {
    const { failOpen, clock, budget } = this.#parts as LookParts;
    this.#hasLooked = true;
    let taken: tf.Tensor[] = [];
    const lookingMs = timed(() => {
      taken = failOpen.run(() => this.#take()) ?? [];
    });
    clock.own(lookingMs);
    if (taken.length === 0) {
      budget.spend('look', lookingMs);
      return;
    }
    this.#isPending = true;
    const end = (compare: () => void) => {
      tf.dispose(taken);
      this.#isPending = false;
      const comparingMs = timed(() => failOpen.runLate(compare));
      clock.own(comparingMs);
      budget.spend('look', lookingMs + comparingMs);
    };
    Promise.all(taken.map((rows) => rows.data())).then(
      (values) => end(() => this.#compare(taken, values)),
      (error) =>
        end(() => {
          throw error;
        }),
    );
  }

  /** The first samples of what goes in, kept. */
  #take(): tf.Tensor[] {
    const most = Math.max(1, Math.floor(MOST_VALUES / elementCount(this.#sample)));
    const rows = enteringSamples(this.#sample).map((tensor) =>
      tf.slice(tensor, 0, Math.min(most, tensor.shape[0])),
    );
    // Kept when there are all of them: the recording's scope takes back what was made before one that fails.
    return rows.map((tensor) => tf.keep(tensor));
  }

  #compare(taken: readonly tf.Tensor[], values: readonly ArrayLike<number>[]): void {
    taken.forEach(({ shape: [rows] }, t) => {
      this.#compared += rows;
      for (const hash of rowHashes(values[t], rows)) {
        for (const { hashes, seen } of this.#watched) {
          if (hash !== null && hashes.has(hash)) {
            seen.add(hash);
          }
        }
      }
    });
    for (const watched of this.#watched) {
      if (!watched.isTold && watched.seen.size >= Math.min(ENOUGH, watched.hashes.size)) {
        watched.isTold = watched.seen.size > 0;
        if (watched.isTold) {
          this.#parts?.warn(warningOf(watched, this.#compared));
        }
      }
    }
  }

  /** Nobody is told any more. */
  stop(): void {
    this.#parts = null;
  }
}

function watchedOf(reference: string | null, values: ArrayLike<number>, rows: number): Watched {
  const hashes = new Set<number>();
  const twice = new Set<number>();
  for (const hash of rowHashes(values, rows)) {
    if (hash !== null) {
      (hashes.has(hash) ? twice : hashes).add(hash);
    }
  }
  for (const hash of twice) {
    hashes.delete(hash);
  }
  return { reference, samples: rows, hashes, seen: new Set(), isTold: false };
}

function warningOf({ reference, samples, seen }: Watched, compared: number): LookWarning {
  const whose = reference === null ? '' : ` of reference "${reference}"`;
  return {
    title: 'Calibration samples are trained on',
    text: `${seen.size} of ${samples} calibration samples${whose} are among the first ${compared} training samples that were compared: accuracies and probes on them come out too good; hold them out of the training`,
    evidence: { seen: seen.size, calibrationSamples: samples, trainingSamples: compared },
    ...(reference !== null && { reference }),
  };
}
