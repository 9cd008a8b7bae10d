import { isOutOfMemory, onDeviceError, releaseFreeMemory } from '../../../src/backend/index.js';
import type { AlertEvent } from '../../../src/guard/index.js';
import { messageOf } from '../../../src/tensors/errors.js';
import type { ReferenceStore } from './reference-store.js';

export type MemoryWarning = Pick<AlertEvent, 'title' | 'text' | 'evidence'>;

/**
 * Where the device runs out of memory, the references' is given back, and fewer of them are watched at a time from then on: half
 * of those that lay there, in the end one after the other. An alert each time says so.
 */
export class Retreat {
  readonly #store: ReferenceStore;
  readonly #warn: (warning: MemoryWarning) => void;
  readonly #stopListening: () => void;
  /** what the device has said by itself since the last tick */
  #unheard: Error | null = null;
  /** its errors of other things so far */
  #errors = 0;
  #lastError = '';
  #count = 0;

  constructor(store: ReferenceStore, warn: (warning: MemoryWarning) => void) {
    this.#store = store;
    this.#warn = warn;
    this.#stopListening = onDeviceError(({ kind, message }) => {
      if (kind === 'out-of-memory') {
        this.#unheard = new Error(message);
      } else if (kind !== 'lost') {
        this.#errors += 1;
        this.#lastError = message;
      }
    });
  }

  /** Times that it was necessary so far. */
  get count(): number {
    return this.#count;
  }

  /** Errors that the device has reported by itself so far; its loss and want of memory are no such. */
  get errors(): number {
    return this.#errors;
  }

  /** @throws Error where there are more than `errors`: values of that time may be zeros, or of before */
  checkErrors(errors: number): void {
    if (this.#errors > errors) {
      throw new Error(`the device has reported an error while a tick was measured: ${this.#lastError}`);
    }
  }

  /**
   * What `body` returns; null where the device has run out of memory in it, and less is taken of it from now on. @throws what `body`
   * throws else, and where nothing is left to give back
   */
  attempt<Result>(body: () => Result): Result | null {
    try {
      return body();
    } catch (error) {
      if (!isOutOfMemory(error) || !this.#retreat(error)) {
        throw error;
      }
      return null;
    }
  }

  /** The same of a tick, which is also given up where the device has said so by itself since the last one. */
  attemptTick<Result>(body: () => Result): Result | null {
    return this.attempt(() => {
      if (this.#unheard !== null) {
        const error = this.#unheard;
        this.#unheard = null;
        throw error;
      }
      return body();
    });
  }

  /** What `body` gives, which is called again with less memory taken as long as the device runs out of it. @throws as `attempt` does */
  async untilDone<Result>(body: () => Promise<Result>): Promise<Result> {
    for (;;) {
      const done = await settled(body());
      const result = this.attemptTick(() => ({ of: done() }));
      if (result !== null) {
        return result.of;
      }
    }
  }

  #retreat(error: unknown): boolean {
    const { residence } = this.#store;
    const [residents, most] = [residence.residents.length, residence.most];
    if (!this.#store.retreat()) {
      return false;
    }
    releaseFreeMemory();
    this.#count += 1;
    const now = residence.residents.length;
    this.#warn({
      title: 'The device ran out of memory; fewer references are watched at a time, training goes on',
      text: `${now} instead of ${residents} references lie on the device from now on, at most ${residence.most} instead of ${most} are compared at a time, and each at ${residence.period === 1 ? 'every tick' : `about every ${residence.period} ticks`}. tap.deviceMemory sets how much they take from the start. The device said: ${messageOf(error)}`,
      evidence: { residentsBefore: residents, residents: now, atATimeBefore: most, atATime: residence.most },
    });
    return true;
  }

  dispose(): void {
    this.#stopListening();
  }
}

/** Gives the promise's value, or throws why there is none. */
async function settled<Result>(promise: Promise<Result>): Promise<() => Result> {
  try {
    const result = await promise;
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
