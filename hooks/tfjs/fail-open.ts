import { DeviceLostError } from '../../src/backend/index.js';
import { messageOf } from '../../src/tensors/errors.js';
import { submitPending } from './compute/compute-program.js';

/** Failures in a row after which a part of the guard is switched off. */
const MOST_FAILURES = 3;
/** Different failures of one part that are told. */
const MOST_TOLD = 5;

/**
 * Runs one part of the guard inside the training: a failure becomes a warning, never an exception, and a part that
 * fails three times in a row is switched off; once where the device is lost, without a word of its own (see watchDevice).
 * With `strict` a failure is thrown into the training instead.
 */
export class FailOpen {
  readonly #part: string;
  readonly #strict: boolean;
  readonly #warn: (title: string, text: string) => void;
  readonly #told = new Set<string>();
  #inARow = 0;
  #off = false;
  #late: { readonly error: unknown } | null = null;

  /** `part` begins the titles of warnings, e.g. `The self-probe`. */
  constructor(part: string, strict: boolean, warn: (title: string, text: string) => void) {
    this.#part = part;
    this.#strict = strict;
    this.#warn = warn;
  }

  get off(): boolean {
    return this.#off;
  }

  /** What `body` returns; null where it failed or the part is off. @throws with `strict` what `body` throws */
  run<Result>(body: () => Result): Result | null {
    if (this.#off) {
      return null;
    }
    // On webgpu what the training has recorded does not go down with what is recorded here, nor the other way round.
    submitPending();
    try {
      const result = body();
      this.#inARow = 0;
      return result;
    } catch (error) {
      if (this.#strict) {
        throw error;
      }
      this.#count(error);
      return null;
    } finally {
      submitPending();
    }
  }

  /** The same outside of the training's calls, where nobody would catch: `rethrow` throws it, with `strict`. */
  runLate(body: () => void): void {
    try {
      this.run(body);
    } catch (error) {
      this.#late = { error };
    }
  }

  rethrow(): void {
    const late = this.#late;
    this.#late = null;
    if (late) {
      throw late.error;
    }
  }

  #count(error: unknown): void {
    if (error instanceof DeviceLostError) {
      // Nothing works from here on; that is told once, for all parts.
      this.#off = true;
      return;
    }
    this.#inARow += 1;
    const text = messageOf(error);
    // Failing now and then would otherwise be told each time.
    if (!this.#told.has(text) && this.#told.size < MOST_TOLD) {
      this.#told.add(text);
      this.#warn(`${this.#part} failed; training goes on`, text);
    }
    if (this.#inARow >= MOST_FAILURES) {
      this.#off = true;
      this.#warn(`${this.#part} is switched off`, `${this.#inARow} failures in a row, the last: ${text}`);
    }
  }
}
