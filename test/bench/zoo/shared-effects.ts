/** What a fit leaves of one pair by one merge method. */
export interface Rest {
  readonly taskA: string;
  readonly taskB: string;
  readonly rest: number;
}

const SWEEPS = 1000;
const NEGLIGIBLE = 1e-12;

/**
 * One effect a task that all merge methods share, by least squares: every rest is the sum of its two tasks' effects. Without an
 * intercept, since what left the rests has one, so that a task that is not known has the effect 0, as it had before.
 *
 * @param price of an effect's square, in squares of rests: effects are drawn towards zero as if each task had been seen
 *   in so many more rows, with nothing left in them; above 0
 */
export function sharedEffects(rests: readonly Rest[], price: number): (task: string) => number {
  const tasks = [...new Set(rests.flatMap(({ taskA, taskB }) => [taskA, taskB]))];
  const rowsOf = new Map(
    tasks.map((task) => [
      task,
      rests
        .filter(({ taskA, taskB }) => task === taskA || task === taskB)
        .map(({ taskA, taskB, rest }) => ({ partner: task === taskA ? taskB : taskA, rest })),
    ]),
  );
  const effects = new Map(tasks.map((task) => [task, 0]));
  const effectOf = (task: string) => effects.get(task) ?? 0;
  for (let sweep = 0, moved = Number.POSITIVE_INFINITY; sweep < SWEEPS && moved > NEGLIGIBLE; sweep++) {
    moved = 0;
    for (const [task, rows] of rowsOf) {
      const total = rows.reduce((sum, { partner, rest }) => sum + rest - effectOf(partner), 0);
      const effect = total / (rows.length + price);
      moved = Math.max(moved, Math.abs(effect - effectOf(task)));
      effects.set(task, effect);
    }
  }
  return effectOf;
}
