import { metricNames } from '../metrics/index.js';
import type { MatrixReport } from './reports.js';

/** One row a pair, columns as `parseTable` takes them, nulls empty: outcomes of merges can be added to it. */
export function matrixCsv({ pairs }: Pick<MatrixReport, 'pairs'>): string {
  const lines = [['task_a', 'task_b', ...metricNames].join(',')];
  for (const { a, b, metrics } of pairs) {
    lines.push([quoted(a), quoted(b), ...metricNames.map((name) => metrics[name] ?? '')].join(','));
  }
  return `${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
