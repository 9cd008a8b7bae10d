import type { Coverage, MatrixReport, MetricsReport, ScoreReport } from '../at-rest/index.js';
import { shortNumber } from '../at-rest/index.js';
import { METRICS } from '../metrics/index.js';
import { pad, plain } from './text.js';

const NAME_WIDTH = 44;
/** Names of a column are cut to this. */
const COLUMN = 14;
const MOST_LISTED = 8;
/** Models beside each other in a table; more are in the CSV and the picture. */
const MOST_COLUMNS = 20;

/** "148 of 150 tensors, 99.8 % of the parameters", then what is left out. */
export function coverageLines({ matched, total, parameters, excluded }: Coverage): string[] {
  const lines = [
    `${matched} of ${total} tensors compared, ${(100 * parameters).toFixed(1)} % of the base's parameters`,
  ];
  for (const { name, reason } of excluded.slice(0, MOST_LISTED)) {
    lines.push(`  left out: ${plain(name)}: ${plain(reason)}`);
  }
  if (excluded.length > MOST_LISTED) {
    lines.push(`  and ${excluded.length - MOST_LISTED} more (--json lists all)`);
  }
  return lines;
}

export function scoreLines(report: ScoreReport): string[] {
  const columns = report.references.map(({ reference }) => reference);
  const lines = [
    plain(`${report.model} against ${columns.join(', ')}`),
    ...coverageLines(report.coverage),
    ...report.notes.map((note) => `note: ${plain(note)}`),
    '',
    ...metricTable(columns, report.references),
  ];
  for (const { reference, scores } of report.references) {
    if (scores.length > 0) {
      lines.push('', ...predictionLines(reference, report.fingerprint!, scores));
    }
  }
  return lines;
}

function predictionLines(
  reference: string,
  fingerprint: string,
  scores: ScoreReport['references'][number]['scores'],
): string[] {
  const lines = [
    `Predicted normalised accuracy of merging with ${plain(reference)}, in % (fingerprint ${plain(fingerprint)}):`,
  ];
  for (const { method, value, low, high, level, inDomain } of scores) {
    const interval =
      value === null
        ? 'not predicted'
        : `${hundred(value).padStart(6)}  (${100 * level} % interval ${hundred(low!)} to ${hundred(high!)})`;
    lines.push(`  ${pad(method, 16)} ${interval}${value !== null && !inDomain ? ' *' : ''}`);
  }
  if (scores.some(({ value, inDomain }) => value !== null && !inDomain)) {
    lines.push('  * outside the domain it was fitted on: hold it for a guess');
  }
  const reasons = new Map<string, string[]>();
  for (const { method, reason } of scores) {
    if (reason !== undefined) {
      reasons.set(reason, [...(reasons.get(reason) ?? []), method]);
    }
  }
  for (const [reason, methods] of reasons) {
    lines.push(`  ${methods.join(', ')}: ${plain(reason)}`);
  }
  return lines;
}

/** One pair: all its metrics. More: one metric of all pairs as a table. */
export function matrixLines(report: MatrixReport, metric: string): string[] {
  const lines = [
    ...coverageLines(report.coverage),
    ...report.notes.map((note) => `note: ${plain(note)}`),
    '',
  ];
  if (report.pairs.length === 1) {
    const { a, b } = report.pairs[0]!;
    return [...lines, ...metricTable([`${a}, ${b}`], report.pairs)];
  }
  const models = [...new Set(report.pairs.flatMap(({ a, b }) => [a, b]))];
  const value = new Map(report.pairs.map(({ a, b, metrics }) => [`${a}\n${b}`, metrics[metric] ?? null]));
  const shown = models.slice(0, MOST_COLUMNS);
  const width = Math.max(...models.map((model) => [...plain(model)].length));
  const column = Math.min(COLUMN, Math.max(6, ...shown.map((model) => [...plain(model)].length)));
  lines.push(
    `${metric}:`,
    '',
    `${' '.repeat(width)}  ${shown.map((model) => pad(plain(model), column)).join('  ')}`,
  );
  for (const row of models) {
    const cells = shown.map((other) => {
      if (row === other) return pad('·', column);
      const found = value.get(`${row}\n${other}`) ?? value.get(`${other}\n${row}`) ?? null;
      return pad(found === null ? '–' : shortNumber(found), column);
    });
    lines.push(`${pad(plain(row), width)}  ${cells.join('  ')}`);
  }
  if (models.length > MOST_COLUMNS) {
    lines.push(`${models.length - MOST_COLUMNS} more columns are in --csv, --svg and --json`);
  }
  const reasons = new Set(report.pairs.flatMap(({ reasons }) => reasons[metric] ?? []));
  lines.push('', ...[...reasons].slice(0, MOST_LISTED).map((reason) => `– : ${plain(reason)}`));
  lines.push('--metric NAME shows another one, --csv FILE and --json all of them.');
  return lines;
}

/** A row a metric, a column a pair; what needs more than weights is one line at the end. */
function metricTable(columns: readonly string[], reports: readonly MetricsReport[]): string[] {
  const width = Math.min(30, Math.max(12, ...columns.map((name) => [...plain(name)].length)));
  const lines = [
    `${pad('metric', NAME_WIDTH)} ${pad('better', 8)} ${columns.map((name) => pad(plain(name), width)).join(' ')}`,
  ];
  const without: string[] = [];
  const reasons = new Set<string>();
  for (const { name, better } of METRICS) {
    const values = reports.map(({ metrics }) => metrics[name] ?? null);
    if (values.every((value) => value === null)) {
      without.push(name);
      for (const report of reports) reasons.add(report.reasons[name]!);
      continue;
    }
    const cells = values.map((value) => pad(value === null ? '–' : value.toPrecision(6), width));
    lines.push(
      `${pad(name, NAME_WIDTH)} ${pad(better === 'none' ? '' : better, 8)} ${cells.join(' ')}`.trimEnd(),
    );
  }
  if (without.length > 0) {
    lines.push('', `not computed: ${without.join(', ')}`);
    lines.push(...[...reasons].map((reason) => `  ${plain(reason)}`));
  }
  return lines;
}

function hundred(value: number): string {
  return (100 * value).toFixed(1);
}
