import { parse } from 'csv-parse/sync';
import { listProblems, MergeguardError, messageOf } from '../tensors/errors.js';
import { type Column, type Columns, readHeader } from './csv-columns.js';
import { reviewTable } from './csv-notices.js';
import type { Target } from './schema.js';
import { type TableRow, tableProblems } from './table.js';

export interface ParsedTable {
  readonly rows: TableRow[];
  /** metric columns that a fit can use: those with a value that varies */
  readonly metrics: string[];
  /** what a user should know of the table, a sentence each */
  readonly notices: string[];
}

export interface ParseOptions {
  /** which outcome columns are read */
  readonly target: Target;
  /** only for the error messages */
  readonly path?: string;
  /** methods whose outcome columns the notices are about; all by default */
  readonly methods?: readonly string[];
}

interface Line {
  /** of the file, from 1: where it begins */
  readonly number: number;
  readonly cells: readonly string[];
}

/** Of a table's problems; in a column of another unit every row is one. */
const MOST_PROBLEMS = 20;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Reads a table of merged pairs from CSV: `task_a`, `task_b`, metrics by name, outcomes `acc_<method>` or
 * `normalized_acc_<method>`, and optionally `checkpoint` and `self_probe`. An empty cell is a missing value.
 *
 * @throws MergeguardError with the problems of the table, each with its line in the file and its column
 */
export function parseTable(text: string, { target, path = 'the table', methods }: ParseOptions): ParsedTable {
  const refuse = (problems: readonly string[]) =>
    new MergeguardError(listProblems(`${path} can not be fitted:`, problems, MOST_PROBLEMS));
  const [header, ...lines] = readLines(text, path);
  if (header === undefined) {
    throw refuse(['it is empty; a header and rows are needed']);
  }
  const columns = readHeader(header.cells, target, header.number);
  const problems = [...columns.problems];
  if (lines.length === 0) {
    problems.push(`line ${header.number}: there is a header, but no row below it`);
    throw refuse(problems);
  }
  const rows: TableRow[] = [];
  const numbers: number[] = [];
  for (const line of lines) {
    const row = readRow(line, columns, problems);
    if (row !== null) {
      rows.push(row);
      numbers.push(line.number);
    }
  }
  // Without both columns of tasks there are no pairs to judge.
  if (columns.taskA !== null && columns.taskB !== null) {
    const outcomes = new Map(columns.outcomes.map(({ method, name }) => [method, name]));
    const places = {
      row: (index: number) => `line ${numbers[index]}`,
      taskA: columns.taskA.name,
      taskB: columns.taskB.name,
      outcome: (method: string) => outcomes.get(method) ?? method,
      selfProbe: columns.selfProbe?.name ?? '',
    };
    problems.push(...tableProblems(rows, places));
  }
  if (problems.length > 0) {
    throw refuse(problems);
  }
  const { metrics, notices } = reviewTable(
    rows,
    methods === undefined ? columns : columnsOf(columns, methods),
  );
  return { rows, metrics: [...metrics], notices: [...notices] };
}

/** The columns without the outcomes of other methods. */
function columnsOf(columns: Columns, methods: readonly string[]): Columns {
  const asked = ({ method }: { readonly method: string }) => methods.includes(method);
  return {
    ...columns,
    outcomes: columns.outcomes.filter(asked),
    otherOutcomes: columns.otherOutcomes.filter(asked),
  };
}

function readLines(text: string, path: string): Line[] {
  let records: { record: string[]; info: { lines: number } }[];
  try {
    // The library counts a line twice where ends of lines are mixed.
    records = parse(text.replace(/\r\n?/g, '\n'), {
      bom: true,
      info: true,
      trim: true,
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_empty_values: true,
    }) as unknown as typeof records;
  } catch (error) {
    throw new MergeguardError(`${path} is not CSV with commas and double quotes: ${messageOf(error)}`);
  }
  return records.map(({ record, info }) => ({
    // What is counted is where a record ends; a quoted cell may go over several lines.
    number: info.lines - (record.join('').split('\n').length - 1),
    cells: record.map((cell) => cell.trim()),
  }));
}

/**
 * One row, with null where a cell is empty or wrong.
 *
 * @param problems what is wrong is added here
 * @returns null where the row does not say which pair it is
 */
function readRow({ number, cells }: Line, columns: Columns, problems: string[]): TableRow | null {
  const isWhole = cells.length === columns.width;
  if (!isWhole) {
    problems.push(`line ${number}: it has ${cells.length} cells, the header has ${columns.width}`);
  }
  const task = (column: Column | null) => {
    const name = column === null ? '' : (cells[column.at] ?? '');
    if (name === '' && column !== null && isWhole) {
      problems.push(`line ${number}, column ${column.name}: there is no name of a task`);
    }
    return name;
  };
  const value = (column: Column | null) => {
    // In a row with cells too many or too few it is not known which cell belongs to which column.
    const cell = column === null || !isWhole ? '' : cells[column.at];
    if (cell === '' || column === null) {
      return null;
    }
    const wrong = numberProblem(cell);
    if (wrong !== null) {
      problems.push(`line ${number}, column ${column.name}: ${wrong}`);
      return null;
    }
    return Number(cell);
  };
  const taskA = task(columns.taskA);
  const taskB = task(columns.taskB);
  const checkpoint = columns.checkpoint === null ? '' : (cells[columns.checkpoint.at] ?? '');
  const row: TableRow = {
    taskA,
    taskB,
    ...(checkpoint === '' ? {} : { checkpoint }),
    metrics: Object.fromEntries(columns.metrics.map((column) => [column.name, value(column)])),
    outcomes: Object.fromEntries(columns.outcomes.map((column) => [column.method, value(column)])),
    selfProbe: value(columns.selfProbe),
  };
  return taskA === '' || taskB === '' ? null : row;
}

function numberProblem(cell: string): string | null {
  const shown = JSON.stringify(cell.length > 30 ? `${cell.slice(0, 30)}...` : cell);
  if (!NUMBER.test(cell)) {
    return `${shown} is not a number; a missing value is an empty cell`;
  }
  return Number.isFinite(Number(cell)) ? null : `${shown} is too large`;
}
