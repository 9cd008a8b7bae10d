import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TableRow } from '../../src/fingerprint/index.js';

export const publishedFolder = fileURLToPath(new URL('../../../shared/data/published/', import.meta.url));

/** The published tables are not part of the repository; tests that need them are skipped without. */
export const publishedMissing = !existsSync(publishedFolder);

/** Names of the 28 metrics, in the order of the tables. */
export const publishedMetrics: readonly string[] = publishedMissing
  ? []
  : readFileSync(`${publishedFolder}vit-b-32-adamw.csv`, 'utf8').split(/\r?\n/, 1)[0].split(',').slice(2, 30);

export function publishedRows(table: string): TableRow[] {
  const [head, ...lines] = readFileSync(`${publishedFolder}${table}.csv`, 'utf8')
    .trim()
    .split(/\r?\n/)
    .map((line) => line.split(','));
  const prefix = 'normalized_acc_';
  return lines.map((cells) => {
    const cell = (name: string) => {
      const text = cells[head.indexOf(name)];
      return text === '' ? null : Number(text);
    };
    const outcomes = head.filter((name) => name.startsWith(prefix));
    return {
      taskA: cells[0],
      taskB: cells[1],
      metrics: Object.fromEntries(publishedMetrics.map((name) => [name, cell(name)])),
      outcomes: Object.fromEntries(outcomes.map((name) => [name.slice(prefix.length), cell(name)])),
      selfProbe: null,
    };
  });
}
