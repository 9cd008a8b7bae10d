import type { Journal } from './journal.js';
import type { Evaluated, FailureEntry } from './journal-entry.js';
import type { Job } from './plan.js';

/** Evaluations that failed for one reason. */
export interface Failure {
  readonly reason: string;
  readonly count: number;
  /** the first of them */
  readonly example: FailureEntry;
}

/** What failed the last time it was tried, by reasons, the most frequent first. */
export function failuresOf(jobs: readonly Job[], journal: Journal): Failure[] {
  const byReason = new Map<string, FailureEntry[]>();
  for (const { key } of jobs.flatMap(({ evaluations }) => evaluations)) {
    const entry = journal.get(key);
    if (entry?.kind === 'failure') {
      byReason.set(entry.reason, [...(byReason.get(entry.reason) ?? []), entry]);
    }
  }
  return [...byReason]
    .map(([reason, entries]) => ({ reason, count: entries.length, example: entries[0]! }))
    .sort((a, b) => b.count - a.count);
}

const MOST_REASONS = 5;
const MOST_LINES = 4;
/** Characters of a line of a program's. */
const MOST_SHOWN = 200;

/** The same for people; none where nothing failed. */
export function failureLines(failures: readonly Failure[]): string[] {
  const total = failures.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) {
    return [];
  }
  const lines = failures.slice(0, MOST_REASONS).flatMap(({ reason, count, example }) => {
    const said = example.errors.slice(-MOST_LINES).map((line) => `      ${shortened(line)}`);
    return [`  ${count} x ${reason}`, `    the first: ${subjectOf(example)}`, ...said];
  });
  const left = failures.length - MOST_REASONS;
  return [
    `${total} evaluation${total === 1 ? '' : 's'} failed, which the next run tries again:`,
    ...lines,
    ...(left > 0 ? [`  and ${left} other reasons; all are in the journal`] : []),
  ];
}

/** "ties of a + b on the task a" */
export function subjectOf({ models, merge, scale, task }: Evaluated): string {
  const names = models.join(' + ');
  const what =
    merge !== null ? `${merge} of ${names}` : scale === 1 ? names : `base + ${scale} tau of ${names}`;
  return `${what} on the task ${task}`;
}

function shortened(line: string): string {
  return line.length > MOST_SHOWN ? `${line.slice(0, MOST_SHOWN)}...` : line;
}
