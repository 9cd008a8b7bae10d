import { MergeguardError, problemsOf } from '../tensors/index.js';

/** Collects everything that is wrong, so that it can be told at once. */
export class Problems {
  readonly #problems: string[] = [];

  get any(): boolean {
    return this.#problems.length > 0;
  }

  add(...problems: readonly string[]): void {
    this.#problems.push(...problems);
  }

  /** What `work` gives; undefined where it throws a MergeguardError, which is a problem then. */
  async collect<Value>(work: () => Promise<Value> | Value): Promise<Value | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MergeguardError)) {
        throw error;
      }
      this.#problems.push(error.message);
      return undefined;
    }
  }

  /** @throws MergeguardError with all of them, if there are any */
  refuse(heading: string): void {
    if (this.any) {
      throw problemsOf(heading, this.#problems);
    }
  }
}
