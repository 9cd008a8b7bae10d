import type { Coverage, MatrixReport, MetricsReport, ScoreReport } from '../at-rest/index.js';
import { shortNumber } from '../at-rest/index.js';
import { METRICS } from '../metrics/index.js';
import { someOf } from '../tensors/errors.js';
import { columnTables, type Row } from './columns.js';
import { cut, pad, plain, wrapped } from './text.js';

const WIDTH = 100;
/** Lines of what is left out, and of reasons; --json has all. */
const MOST_LISTED = 8;
const MOST_REASONS = 12;
const MOST_NAMES = 12;
const LONGEST_TENSOR_NAME = 96;
/** Models beside each other in a matrix; more are in the CSV and the picture. */
const MOST_COLUMNS = 20;
const LONGEST_ROW_NAME = 44;
const LONGEST_COLUMN_NAME = 8;
/** Names of models in one line of a heading. */
const MOST_HEADED = 6;

/** "148 of 150 tensors, 99.8 % of the parameters", then what is left out, what has most to say of it first. */
export function coverageLines({ matched, total, parameters, excluded }: Coverage): string[] {
  return [
    `${matched} of ${total} tensors compared, ${shareText(parameters)} % of the parameters`,
    ...excludedLines('left out', excluded),
  ];
}

/** A fraction in per cent, cut and not rounded: 100 is said of everything only. */
export function shareText(fraction: number): string {
  return (Math.floor(1000 * fraction) / 10).toFixed(1);
}

/** Tensors by the reason that they share, what has most to say first. */
export function excludedLines(label: string, excluded: Coverage['excluded']): string[] {
  const lines: string[] = [];
  const byReason = new Map<string, string[]>();
  for (const { name, reason } of excluded) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), cut(plain(name), LONGEST_TENSOR_NAME)]);
  }
  const groups = [...byReason].sort(
    ([a], [b]) => Number(b.includes('nearest')) - Number(a.includes('nearest')),
  );
  for (const [reason, names] of groups.slice(0, MOST_LISTED)) {
    lines.push(...wrapped(`  ${label}: ${someOf(names, 4)}: ${plain(reason)}`, WIDTH, '    '));
  }
  if (groups.length > MOST_LISTED) {
    const more = groups.slice(MOST_LISTED).reduce((sum, [, names]) => sum + names.length, 0);
    lines.push(`  and ${more} more (--json lists all)`);
  }
  return lines;
}

export function scoreLines(report: ScoreReport): string[] {
  const { references } = report;
  const names = references.map(({ reference }) => reference);
  const against = names.length > MOST_HEADED ? `${names.length} references` : names.map(plain).join(', ');
  return [
    ...wrapped(`${plain(report.model)} against ${against}`, WIDTH, '  '),
    ...commonLines(report),
    ...metricTable(names, references),
    ...(report.fingerprint === null ? [] : ['', ...predictionLines(report, names)]),
  ];
}

function commonLines({ coverage, notes }: MatrixReport | ScoreReport): string[] {
  return [
    ...coverageLines(coverage),
    ...notes.flatMap((note) => wrapped(`note: ${plain(note)}`, WIDTH, '  ')),
    '',
  ];
}

/** A row a merge method, a column a reference; what is to be said of the predictions is said once below. */
function predictionLines(
  { references, fingerprint, target }: ScoreReport,
  names: readonly string[],
): string[] {
  const methods = references[0]!.scores.map(({ method }) => method);
  const scores = (m: number) => references.map((reference) => reference.scores[m]!);
  const rows: Row[] = methods.map((method, m) => ({
    head: method,
    cells: scores(m).map(({ value, low, high, inDomain }) =>
      value === null
        ? '–'
        : `${hundred(value)} (${hundred(low!)} to ${hundred(high!).padStart(5)})${inDomain ? ' ' : '*'}`,
    ),
  }));
  const level = references[0]!.scores[0]?.level ?? 0;
  const what = target === 'acc' ? 'accuracy' : 'normalised accuracy';
  const lines = [
    ...wrapped(
      `Predicted ${what} of the merge in %, with ${100 * level} % intervals, by the fingerprint ${plain(fingerprint!)}:`,
      WIDTH,
      '  ',
    ),
    '',
    ...columnTables('method', names, rows, WIDTH),
  ];
  const all = methods.flatMap((_, m) => scores(m));
  if (all.some(({ value, inDomain }) => value !== null && !inDomain)) {
    lines.push('* outside the domain it was fitted on: hold it for a guess');
  }
  const reasons: Reason[] = [];
  methods.forEach((method, m) => {
    scores(m).forEach(({ reason }, r) => {
      // each of its clauses may be true of other methods too
      for (const clause of reason?.split('; ') ?? []) {
        reasons.push({ what: method, column: r, reason: clause });
      }
    });
  });
  return [...lines, ...reasonLines(reasons, names)];
}

/** One pair: all its metrics. More: one metric of all pairs as a table. */
export function matrixLines(report: MatrixReport, metric: string): string[] {
  if (report.pairs.length === 1) {
    const { a, b } = report.pairs[0]!;
    const heading = wrapped(`${plain(a)} and ${plain(b)}`, WIDTH, '  ');
    return [...heading, ...commonLines(report), ...metricTable([`${a}, ${b}`], report.pairs)];
  }
  const reasons = new Set(report.pairs.flatMap(({ reasons }) => reasons[metric] ?? []));
  return [
    ...commonLines(report),
    `${metric}:`,
    '',
    ...pairTable(report, metric),
    '',
    ...[...reasons].slice(0, MOST_LISTED).flatMap((reason) => wrapped(`–: ${plain(reason)}`, WIDTH, '   ')),
    '--metric NAME shows another one, --csv FILE and --json all of them.',
  ];
}

/** A row and a column a model. Long names stand in the rows alone, behind the number that their column has. */
function pairTable({ pairs }: MatrixReport, metric: string): string[] {
  const models = [...new Set(pairs.flatMap(({ a, b }) => [a, b]))];
  const values = new Map(models.map((model) => [model, new Map<string, number | null>()]));
  for (const { a, b, metrics } of pairs) {
    values.get(a)!.set(b, metrics[metric] ?? null);
    values.get(b)!.set(a, metrics[metric] ?? null);
  }
  const shown = models.slice(0, MOST_COLUMNS);
  const isLong = models.some((model) => [...plain(model)].length > LONGEST_COLUMN_NAME);
  const titles = shown.map((model, at) => (isLong ? `[${at + 1}]` : model));
  const rows = models.map((model, at) => ({
    head: isLong ? cut(`${pad(`[${at + 1}]`, 4)} ${plain(model)}`, LONGEST_ROW_NAME) : plain(model),
    cells: shown.map((other) => {
      const value = values.get(model)!.get(other);
      return value === undefined ? '·' : value === null ? '–' : shortNumber(value);
    }),
  }));
  const lines = columnTables('', titles, rows, WIDTH);
  if (models.length > MOST_COLUMNS) {
    lines.push(`${models.length - MOST_COLUMNS} more columns are in --csv, --svg and --json`);
  }
  return lines;
}

/** A row a metric, a column a pair; metrics that no pair has, and all reasons, stand below. */
function metricTable(columns: readonly string[], reports: readonly MetricsReport[]): string[] {
  const rows: Row[] = [];
  const missing: Reason[] = [];
  const longest = Math.max(...METRICS.map(({ name }) => name.length));
  for (const { name, better } of METRICS) {
    const values = reports.map(({ metrics }) => metrics[name] ?? null);
    if (values.some((value) => value !== null)) {
      const head = `${pad(name, longest)}  ${pad(better === 'none' ? '' : better, 6)}`;
      rows.push({ head, cells: values.map((value) => (value === null ? '–' : figure(value))) });
    }
    reports.forEach(({ reasons }, column) => {
      if (reasons[name] !== undefined) missing.push({ what: name, column, reason: reasons[name] });
    });
  }
  const head = `${pad('metric', longest)}  better`;
  return [
    ...(rows.length > 0 ? [...columnTables(head, columns, rows, WIDTH), ''] : []),
    ...(missing.length > 0 ? ['not computed:', ...reasonLines(missing, columns)] : []),
  ];
}

/** Why one row of a table lacks a value, or has one that is not what it could be, in one column. */
interface Reason {
  readonly what: string;
  readonly column: number;
  readonly reason: string;
}

/** Each reason once, with the rows that it is about, and with the columns where it is not about all of them. */
function reasonLines(reasons: readonly Reason[], columns: readonly string[]): string[] {
  const byRow = new Map<string, { what: string; reason: string; at: number[] }>();
  for (const { what, column, reason } of reasons) {
    const key = JSON.stringify([what, reason]);
    const entry = byRow.get(key) ?? { what, reason, at: [] };
    entry.at.push(column);
    byRow.set(key, entry);
  }
  const groups = new Map<string, { where: string; reason: string; rows: string[] }>();
  for (const { what, reason, at } of byRow.values()) {
    const names = at.map((column) => plain(columns[column]!));
    const where = at.length === columns.length ? '' : ` with ${someOf(names, 4)}`;
    const key = JSON.stringify([where, reason]);
    const group = groups.get(key) ?? { where, reason, rows: [] };
    group.rows.push(what);
    groups.set(key, group);
  }
  const lines = [...groups.values()].map(
    ({ where, reason, rows }) => `  ${someOf(rows, MOST_NAMES)}${where}: ${plain(reason)}`,
  );
  const more = lines.length - MOST_REASONS;
  return [
    ...lines.slice(0, MOST_REASONS).flatMap((line) => wrapped(line, WIDTH, '    ')),
    ...(more > 0 ? [`  and ${more} more reasons (--json lists all)`] : []),
  ];
}

/** Five digits, of which a reader needs no more. */
function figure(value: number): string {
  const magnitude = Math.abs(value);
  return magnitude !== 0 && (magnitude < 0.001 || magnitude >= 1e6)
    ? value.toExponential(3).replace('e+', 'e')
    : value.toPrecision(5);
}

function hundred(value: number): string {
  return (100 * value).toFixed(1);
}
