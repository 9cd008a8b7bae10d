import type { TableRow } from '../../src/fingerprint/index.js';
import { syntheticTable } from './synthetic.js';

/** The synthetic table with metrics that a table of a user may have: two of weights, one of gradients. */
export function namedTable(): TableRow[] {
  return syntheticTable().map(({ metrics, ...row }) => ({
    ...row,
    metrics: {
      task_vector_cosine_similarity: metrics.signal,
      effective_rank: metrics.drag,
      encoder_gradient_l2_distance: metrics.encoder_gradient_l2_distance,
    },
  }));
}

/** Cells of a table; the first line is the header. */
export type Cells = string[][];

/** As a user would write it: every optional column is there, null is an empty cell. */
export function cellsOf(rows: readonly TableRow[], prefix = 'normalized_acc_'): Cells {
  const metrics = Object.keys(rows[0].metrics);
  const methods = Object.keys(rows[0].outcomes);
  const cell = (value: number | string | null | undefined) => (value ?? '').toString();
  return [
    [
      'task_a',
      'task_b',
      'checkpoint',
      'self_probe',
      ...metrics,
      ...methods.map((method) => `${prefix}${method}`),
    ],
    ...rows.map((row) => [
      row.taskA,
      row.taskB,
      cell(row.checkpoint),
      cell(row.selfProbe),
      ...metrics.map((name) => cell(row.metrics[name])),
      ...methods.map((method) => cell(row.outcomes[method])),
    ]),
  ];
}

export function csvOf(cells: Cells, newline = '\n'): string {
  const quoted = (cell: string) => (/[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return cells.map((line) => line.map(quoted).join(',') + newline).join('');
}

/** The same table with one cell changed, by its line in the file and its column. */
export function withCell(cells: Cells, line: number, column: string, value: string): Cells {
  const at = cells[0].indexOf(column);
  return cells.map((row, i) => (i === line - 1 ? row.with(at, value) : row));
}
