import { Random } from '../tensors/index.js';
import { type TableRow, tasksOf } from './table.js';

/**
 * The null that keeps the additive structure (a shuffle of pairs hides it): every task gets another task's
 * metrics, outcomes stay. Rows whose relabelled pair is not in the table are left out.
 */
export function relabelMetrics<Row extends TableRow>(rows: readonly Row[], seed: number): Row[] {
  const tasks = tasksOf(rows);
  const other = derangement(tasks, seed);
  const byPair = new Map(rows.map((row) => [keyOf(row.taskA, row.taskB, row.checkpoint), row]));
  return rows.flatMap((row) => {
    const a = other.get(row.taskA) as string;
    const b = other.get(row.taskB) as string;
    const source = byPair.get(keyOf(a, b, row.checkpoint)) ?? byPair.get(keyOf(b, a, row.checkpoint));
    return source === undefined ? [] : [{ ...row, metrics: source.metrics }];
  });
}

/** A random permutation that leaves no task in its place; about one permutation in e is one. */
function derangement(tasks: readonly string[], seed: number): Map<string, string> {
  const random = new Random('relabel', seed);
  for (;;) {
    const order = random.permutation(tasks.length);
    if (order.every((to, from) => to !== from)) {
      return new Map(tasks.map((task, i) => [task, tasks[order[i]]]));
    }
  }
}

function keyOf(a: string, b: string, checkpoint: string | number | undefined): string {
  return JSON.stringify([a, b, checkpoint ?? null]);
}
