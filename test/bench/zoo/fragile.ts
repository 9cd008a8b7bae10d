import { directionalOutcomes } from './pair-rows.js';
import type { ZooTable } from './zoo-table.js';

/** The tasks that merges hurt most: lowest mean normalised accuracy of their own side, over all pairs and methods. */
export function mostFragile(table: ZooTable, count: number): string[] {
  const sides = new Map<string, number[]>(table.tasks.map((task) => [task, []]));
  for (const method of table.methods) {
    for (const pair of table.pairs) {
      const [a, b] = directionalOutcomes(table, pair, method);
      sides.get(pair.a)?.push(a);
      sides.get(pair.b)?.push(b);
    }
  }
  const means = [...sides].map(([task, values]) => {
    const finite = values.filter(Number.isFinite);
    return { task, mean: finite.reduce((sum, value) => sum + value, 0) / finite.length };
  });
  return means
    .sort((one, other) => one.mean - other.mean)
    .slice(0, count)
    .map(({ task }) => task);
}

/** A table without some tasks and all their pairs. */
export function withoutTasks(table: ZooTable, tasks: readonly string[]): ZooTable {
  return {
    ...table,
    tasks: table.tasks.filter((task) => !tasks.includes(task)),
    pairs: table.pairs.filter(({ a, b }) => !tasks.includes(a) && !tasks.includes(b)),
  };
}
