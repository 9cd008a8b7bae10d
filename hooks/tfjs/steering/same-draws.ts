/**
 * The same random numbers for each evaluation of one loss: those that the first draws from `Math.random` are played
 * back to the others. tfjs takes the seeds of dropout masks from there, and a mask of another seed is another loss.
 */
export class SameDraws {
  readonly #drawn: number[] = [];

  /** Runs `evaluate`, which must be synchronous; `Math.random` is as it was afterwards. */
  run<Result>(evaluate: () => Result): Result {
    const original = Math.random;
    let next = 0;
    Math.random = () => {
      if (next === this.#drawn.length) {
        this.#drawn.push(original());
      }
      next += 1;
      return this.#drawn[next - 1];
    };
    try {
      return evaluate();
    } finally {
      Math.random = original;
    }
  }
}
