import { aliasesOf, methodCalled } from '../tensors/merge-method-name.js';
import { nearest } from '../tensors/nearest.js';
import { FEATURES } from './feature-sets.js';
import type { Target } from './schema.js';

export interface Column {
  /** as the header has it */
  readonly name: string;
  /** which cell of a row, from 0 */
  readonly at: number;
}

export interface OutcomeColumn extends Column {
  readonly target: Target;
  readonly method: string;
}

/** What the columns of a table are. */
export interface Columns {
  /** cells of a row */
  readonly width: number;
  readonly taskA: Column | null;
  readonly taskB: Column | null;
  readonly checkpoint: Column | null;
  readonly selfProbe: Column | null;
  readonly metrics: readonly Column[];
  /** of the asked target, one a merge method */
  readonly outcomes: readonly OutcomeColumn[];
  /** of the other target: not read, but what there is can be said */
  readonly otherOutcomes: readonly OutcomeColumn[];
  /** what keeps the table from being read */
  readonly problems: readonly string[];
  /** about columns that are left out */
  readonly notices: readonly string[];
}

const SINGLE = ['task_a', 'task_b', 'checkpoint', 'self_probe'];
const OUTCOME = /^(normalized_acc|acc)_([A-Za-z][\w.@=:+-]*)$/;

/** The names that an outcome column of the method may have. */
export function outcomeColumnNames(target: Target, method: string): string[] {
  return [method, ...aliasesOf(method)].map((name) => `${target}_${name}`);
}

/**
 * Sorts the columns of a table by their names. Of a name that is there twice the first column is taken.
 *
 * @param line of the file that the header stands on, for the problems
 */
export function readHeader(header: readonly string[], target: Target, line: number): Columns {
  const problems: string[] = [];
  const notices: string[] = [];
  const columns = new Map<string, Column>();
  header.forEach((name, at) => {
    const before = columns.get(name);
    if (name === '') {
      notices.push(`column ${at + 1} has no name and is left out`);
    } else if (before !== undefined) {
      problems.push(
        `line ${line}, column ${name}: it is there twice, as column ${before.at + 1} and ${at + 1}`,
      );
    } else {
      columns.set(name, { name, at });
    }
  });
  const all = [...columns.values()];
  const metrics = all.filter(({ name }) => FEATURES.includes(name));
  const outcomes = all.flatMap((column): OutcomeColumn[] => {
    const match = metrics.includes(column) ? null : OUTCOME.exec(column.name);
    return match === null ? [] : [{ ...column, target: match[1] as Target, method: methodCalled(match[2]) }];
  });
  const asked = outcomes.filter((column) => column.target === target);
  const others = outcomes.filter((column) => column.target !== target);

  const known = new Set([...SINGLE, ...[...metrics, ...outcomes].map(({ name }) => name)]);
  const unknown = all.map(({ name }) => name).filter((name) => !known.has(name));
  notices.push(...unknown.map((name) => unknownColumn(name)));
  for (const name of ['task_a', 'task_b'].filter((each) => !columns.has(each))) {
    problems.push(`line ${line}, column ${name}: it is missing${missingHint(name, header, unknown)}`);
  }
  if (asked.length === 0) {
    problems.push(`line ${line}: ${noOutcome(target, others, unknown)}`);
  }
  problems.push(...sameMethod(asked, line));
  const column = (name: string) => columns.get(name) ?? null;
  return {
    width: header.length,
    taskA: column('task_a'),
    taskB: column('task_b'),
    checkpoint: column('checkpoint'),
    selfProbe: column('self_probe'),
    metrics,
    outcomes: asked,
    otherOutcomes: others,
    problems,
    notices,
  };
}

function unknownColumn(name: string): string {
  const meant = nearestColumn(name);
  return `column ${name} is not known and is left out${meant === null ? '' : `; did you mean ${meant}?`}`;
}

/** The column that was meant by one with a slip of the pen, or null. */
function nearestColumn(name: string): string | null {
  const method = /acc_(.*)$/i.exec(name)?.[1];
  const outcomes = method === undefined ? [] : [`normalized_acc_${method}`, `acc_${method}`];
  return nearest(name, [...SINGLE, ...FEATURES, ...outcomes]);
}

function missingHint(name: string, header: readonly string[], unknown: readonly string[]): string {
  if (header.length === 1 && /[;\t]/.test(header[0])) {
    return '; cells must be separated by commas';
  }
  const meant = nearest(name, unknown);
  return meant === null ? '' : `; is it ${meant}?`;
}

function noOutcome(target: Target, others: readonly OutcomeColumn[], unknown: readonly string[]): string {
  const wanted = `no outcome of the target ${target}: a column ${target}_<method> is needed`;
  if (others.length > 0) {
    const names = others.map(({ name }) => name).join(', ');
    return `${wanted}; there are only ${names} (target ${others[0].target})`;
  }
  const slips = unknown.filter((name) => OUTCOME.test(nearestColumn(name) ?? ''));
  return slips.length > 0
    ? `${wanted}; is it ${slips.join(', ')}?`
    : `${wanted}, and there is none of another target either`;
}

function sameMethod(outcomes: readonly OutcomeColumn[], line: number): string[] {
  return outcomes.flatMap((column, i) => {
    const first = outcomes.findIndex(({ method }) => method === column.method);
    return first === i
      ? []
      : [
          `line ${line}, column ${column.name}: it is of the merge method ${column.method}, ` +
            `as ${outcomes[first].name} is; only one of them can be used`,
        ];
  });
}
