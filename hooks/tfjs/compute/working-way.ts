import { DeviceLostError, isOutOfMemory } from '../../../src/backend/index.js';
import { messageOf } from '../../../src/tensors/errors.js';

/** A way of doing something on the device, by its name. */
export interface Way<Sources, Worker> {
  readonly name: string;
  make(sources: Sources): Worker;
}

/**
 * The fastest way that works: what runs in a trial may still fail at its real size. A warning of the process says so, and the next
 * way is taken for good.
 */
export class WorkingWay<Sources, Worker extends { dispose(): void }> {
  readonly #what: string;
  readonly #sources: Sources;
  readonly #ways: readonly Way<Sources, Worker>[];
  #taken = 0;
  #worker: Worker;

  /** @param what the warning is about, in the plural; `ways`: the fastest first, the one that always works last */
  constructor(what: string, ways: readonly Way<Sources, Worker>[], sources: Sources) {
    this.#what = what;
    this.#ways = ways;
    this.#sources = sources;
    this.#worker = ways[0].make(sources);
  }

  get worker(): Worker {
    return this.#worker;
  }

  /**
   * What `body` returns, of the first way on that it does not fail with, which starts with nothing of what was done before.
   * @throws what it throws with the last one, for want of memory, and where the device is lost
   */
  attempt<Result>(body: (worker: Worker) => Result): Result {
    for (;;) {
      try {
        return body(this.#worker);
      } catch (error) {
        const next = this.#ways[this.#taken + 1];
        if (next === undefined || isOutOfMemory(error) || error instanceof DeviceLostError) {
          throw error;
        }
        process.emitWarning(
          `${this.#what} are slower than they could be, by ${next.name} instead of ${this.#ways[this.#taken].name}, which failed: ${messageOf(error)}`,
          'MergeguardDeviceWarning',
        );
        this.#worker.dispose();
        this.#taken += 1;
        this.#worker = next.make(this.#sources);
      }
    }
  }
}
