import type { Column, Columns, OutcomeColumn } from './csv-columns.js';
import { fitScaling } from './scaling.js';
import type { TableRow } from './table.js';

/** Metric columns that a fit can use, and what a user should know of a table without problems. */
export interface TableReview {
  readonly metrics: readonly string[];
  /** a sentence each */
  readonly notices: readonly string[];
}

export function reviewTable(rows: readonly TableRow[], columns: Columns): TableReview {
  const useless = new Map<string, string>();
  for (const { name } of columns.metrics) {
    const why = uselessness(rows.map((row) => row.metrics[name]));
    if (why !== null) {
      useless.set(name, why);
    }
  }
  const metrics = columns.metrics.map(({ name }) => name).filter((name) => !useless.has(name));
  return {
    metrics,
    notices: [
      ...columns.notices,
      ...[...useless].map(([name, why]) => `column ${name} ${why}: not used`),
      ...missingCells(rows, metrics),
      ...columns.outcomes.flatMap((column) => missingOutcomes(rows, column)),
      ...otherTarget(columns),
      ...selfProbeNotice(rows, columns.selfProbe),
    ],
  };
}

/** Why a column says nothing, or null. */
function uselessness(cells: readonly (number | null)[]): string | null {
  const values = cells.filter((value) => value !== null);
  if (values.length === 0) {
    return 'is empty in every row';
  }
  if (fitScaling(values) !== null) {
    return null;
  }
  return values.length === cells.length
    ? `is ${values[0]} in every row`
    : `is ${values[0]} in every row that has it`;
}

/** A metric that most rows lack is no feature; for the others the rows without it are left out. */
function missingCells(rows: readonly TableRow[], metrics: readonly string[]): string[] {
  const lacking = (name: string) => rows.filter((row) => row.metrics[name] === null).length;
  const rare = metrics.filter((name) => 2 * lacking(name) > rows.length);
  const common = metrics.filter((name) => !rare.includes(name) && lacking(name) > 0);
  const notices = rare.map(
    (name) =>
      `column ${name} is empty in ${lacking(name)} of ${rows.length} rows: ` +
      'a metric that more than half of the rows lack is not used',
  );
  const incomplete = rows.filter((row) => common.some((name) => row.metrics[name] === null)).length;
  if (incomplete > 0) {
    notices.push(
      `${incomplete} of ${rows.length} rows lack a metric (${common.join(', ')}): ` +
        'a variant that uses one is fitted without the rows that lack it',
    );
  }
  return notices;
}

function missingOutcomes(rows: readonly TableRow[], { name, method }: OutcomeColumn): string[] {
  const missing = rows.filter((row) => row.outcomes[method] === null).length;
  if (missing === 0) {
    return [];
  }
  return missing === rows.length
    ? [`column ${name} has no value: there is nothing to fit ${method} on`]
    : [`column ${name} has no value in ${missing} of ${rows.length} rows: ${method} is fitted on the others`];
}

/** Methods that one target has and the other lacks, where the table has both targets. */
function otherTarget({ outcomes, otherOutcomes }: Columns): string[] {
  if (otherOutcomes.length === 0 || outcomes.length === 0) {
    return [];
  }
  const lacks = (columns: readonly OutcomeColumn[], method: string) =>
    columns.every((column) => column.method !== method);
  return [
    ...otherOutcomes
      .filter(({ method }) => lacks(outcomes, method))
      .map(
        ({ name, method }) =>
          `column ${name} has no ${outcomes[0].target}_${method} beside it: ${method} is left out`,
      ),
    ...outcomes
      .filter(({ method }) => lacks(otherOutcomes, method))
      .map(({ name, method }) => `column ${name} has no ${otherOutcomes[0].target}_${method} beside it`),
  ];
}

function selfProbeNotice(rows: readonly TableRow[], column: Column | null): string[] {
  const why = column === null ? null : uselessness(rows.map((row) => row.selfProbe));
  return column === null || why === null ? [] : [`column ${column.name} ${why}: not used`];
}
