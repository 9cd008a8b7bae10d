/** Strength for a miss of the target by 1 (100 points), at once, and added with every decision. */
const PROPORTIONAL = 5;
const INTEGRAL = 1;

/**
 * How strong steering should be for a target: proportional to the miss, plus an integral. The integral lies between 0 and 1 and
 * stands still while the strength can not follow it (at a limit, or as fast as it may move), so that it never winds up.
 */
export class TargetLevel {
  #integral = 0;

  /**
   * @param miss target minus measured, a fraction
   * @param level strength now, 0 to 1
   * @param maximumRate largest change of the strength
   * @returns strength wanted, 0 to 1
   */
  next(miss: number, level: number, maximumRate: number): number {
    const wanted = PROPORTIONAL * miss + this.#integral;
    const isAtLimit = miss > 0 ? level >= 1 : level <= 0;
    if (!isAtLimit && Math.abs(wanted - level) <= maximumRate) {
      this.#integral = clamp(this.#integral + INTEGRAL * miss);
    }
    return clamp(PROPORTIONAL * miss + this.#integral);
  }

  reset(): void {
    this.#integral = 0;
  }
}

export function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
