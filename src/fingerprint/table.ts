import { listProblems, MergeguardError } from '../tensors/index.js';

/** One merged pair: its metrics, and what came out by each merge method. */
export interface TableRow {
  /** the live side */
  readonly taskA: string;
  /** the reference */
  readonly taskB: string;
  /** where in its training task A's model was; rows of one pair may repeat only with different ones */
  readonly checkpoint?: string | number;
  /** by metric name; null where it could not be computed */
  readonly metrics: Readonly<Record<string, number | null>>;
  /** normalised accuracy of the merge (fraction, 0..1.2) by method; null where it was not run */
  readonly outcomes: Readonly<Record<string, number | null>>;
  /** accuracy of task A's model at base + s tau over its accuracy at base + tau; null where not taken */
  readonly selfProbe: number | null;
}

/** A row that knows its place in the table. */
export interface NumberedRow extends TableRow {
  readonly id: number;
}

export const LEAST_TASKS = 5;
export const LEAST_ROWS = 10;
/** normalised accuracies may pass 1, but one above this is a mistake in the table */
export const HIGHEST_ACCURACY = 1.2;

/** As a key of a JSON object it would be lost. */
const UNUSABLE = '__proto__';

/** How the problems of a table name their places. */
export interface TablePlaces {
  /** a row by its index */
  row(index: number): string;
  readonly taskA: string;
  readonly taskB: string;
  /** the outcome column of a merge method */
  outcome(method: string): string;
  readonly selfProbe: string;
}

/** Of rows that came from no file: counted from 1, columns by the names in TableRow. */
const IN_MEMORY: TablePlaces = {
  row: (index) => `row ${index + 1}`,
  taskA: 'taskA',
  taskB: 'taskB',
  outcome: (method) => method,
  selfProbe: 'selfProbe',
};

/** @throws MergeguardError with every problem of the table, each with its row (counted from 1) and column */
export function checkTable(rows: readonly TableRow[]): void {
  const problems = tableProblems(rows);
  if (problems.length > 0) {
    throw new MergeguardError(listProblems('the table can not be fitted:', problems));
  }
}

/** What keeps a table from being fitted, a sentence each, with row and column. */
export function tableProblems(rows: readonly TableRow[], places: TablePlaces = IN_MEMORY): string[] {
  const problems: string[] = [];
  const seen = new Map<string, number>();
  const sides = `columns ${places.taskA} and ${places.taskB}`;
  rows.forEach((row, i) => {
    const at = `${places.row(i)} (${row.taskA}, ${row.taskB})`;
    for (const [column, task] of [
      [places.taskA, row.taskA],
      [places.taskB, row.taskB],
    ]) {
      if (task === UNUSABLE) {
        problems.push(`${at}, column ${column}: no task can be called ${UNUSABLE}`);
      }
    }
    if (row.taskA === row.taskB) {
      problems.push(`${at}: a pair of a task with itself (${sides})`);
    }
    const key = JSON.stringify([row.taskA, row.taskB, row.checkpoint ?? null]);
    const before = seen.get(key);
    if (before !== undefined) {
      const where = row.checkpoint === undefined ? '' : ` at checkpoint ${row.checkpoint}`;
      problems.push(`${at}: the same pair${where} as ${places.row(before)} (${sides})`);
    }
    seen.set(key, before ?? i);
    for (const [name, value] of Object.entries(row.metrics)) {
      if (value !== null && !Number.isFinite(value)) {
        problems.push(`${at}, column ${name}: ${value} is not a finite number`);
      }
    }
    for (const [method, value] of Object.entries(row.outcomes)) {
      if (value !== null && !(value >= 0 && value <= HIGHEST_ACCURACY)) {
        problems.push(`${at}, column ${places.outcome(method)}: ${outsideRange(value)}`);
      }
    }
    if (row.selfProbe !== null && !(Number.isFinite(row.selfProbe) && row.selfProbe >= 0)) {
      problems.push(
        `${at}, column ${places.selfProbe}: ${row.selfProbe} is not an accuracy ratio (0 or more)`,
      );
    }
  });
  problems.push(...reversedPairs(rows, places, sides), ...missingCheckpoints(rows, places));
  const size = sizeProblem(rows);
  return size === null ? problems : [...problems, size];
}

/**
 * A table has its pairs in one order, or both orders of them, which makes it a directed one. A few that stand there
 * twice, the other way round, are a mistake that would turn it into one.
 */
function reversedPairs(rows: readonly TableRow[], places: TablePlaces, sides: string): string[] {
  if (rows.some(({ checkpoint }) => checkpoint !== undefined)) {
    return [];
  }
  const first = new Map<string, number>();
  const reversed: string[] = [];
  rows.forEach(({ taskA, taskB }, i) => {
    const other = first.get(JSON.stringify([taskB, taskA]));
    if (other !== undefined && taskA !== taskB) {
      reversed.push(
        `${places.row(i)} (${taskA}, ${taskB}): the pair of ${places.row(other)} the other way round (${sides}); ` +
          'give every pair once, or most of them in both orders',
      );
    }
    first.set(JSON.stringify([taskA, taskB]), i);
  });
  return reversed.length * 4 < rows.length ? reversed : [];
}

/** A single checkpoint would make the table a directed one. */
function missingCheckpoints(rows: readonly TableRow[], places: TablePlaces): string[] {
  const without = rows.flatMap(({ checkpoint }, i) => (checkpoint === undefined ? [i] : []));
  return without.length === 0 || without.length === rows.length
    ? []
    : [
        `${without.length} of ${rows.length} rows have no checkpoint, the first is ${places.row(without[0])}; ` +
          'give it in every row or in none',
      ];
}

/** Fewer rows say nothing of a program. */
const LEAST_LEFT = 3;

/** Every task is left out of the fit once, the live ones in a directed table: something must be left then. */
function foldProblem(rows: readonly TableRow[]): string | null {
  const folds = isDirected(rows) ? [...new Set(rows.map(({ taskA }) => taskA))] : tasksOf(rows);
  for (const fold of folds) {
    const left = rows.filter(({ taskA, taskB }) => taskA !== fold && taskB !== fold).length;
    if (left < LEAST_LEFT) {
      return (
        `without ${fold} only ${left} of ${rows.length} rows are left; every task is left out of the fit once, so ` +
        `at least ${LEAST_LEFT} must be: merge the other tasks with each other too`
      );
    }
  }
  return null;
}

function outsideRange(accuracy: number): string {
  const text = `accuracy ${accuracy} is outside 0..${HIGHEST_ACCURACY}`;
  return accuracy > 2 && accuracy <= 100 * HIGHEST_ACCURACY
    ? `${text}; it looks like per cent, write ${Number((accuracy / 100).toPrecision(12))}`
    : text;
}

/** What is missing for a fit, or null. */
export function sizeProblem(rows: readonly TableRow[]): string | null {
  return countProblem(rows) ?? foldProblem(rows);
}

function countProblem(rows: readonly TableRow[]): string | null {
  const tasks = tasksOf(rows).length;
  const pairs = new Set(rows.map((row) => JSON.stringify([row.taskA, row.taskB].sort()))).size;
  return tasks < LEAST_TASKS || pairs < LEAST_ROWS
    ? `${tasks} tasks and ${pairs} different pairs; at least ${LEAST_TASKS} tasks and ${LEAST_ROWS} pairs are needed`
    : null;
}

/** Every task of either side, in order of appearance. */
export function tasksOf(rows: readonly TableRow[]): string[] {
  return [...new Set(rows.flatMap((row) => [row.taskA, row.taskB]))];
}

/**
 * In a directed table the sides differ: it has checkpoints, or a pair in both orders. Then only task A is
 * what a live model will be; in an undirected one either task may be.
 */
export function isDirected(rows: readonly TableRow[]): boolean {
  const pairs = new Set(rows.map((row) => JSON.stringify([row.taskA, row.taskB])));
  return rows.some(
    (row) => row.checkpoint !== undefined || pairs.has(JSON.stringify([row.taskB, row.taskA])),
  );
}
