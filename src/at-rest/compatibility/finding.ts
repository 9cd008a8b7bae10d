/** `error`: the merge fails or is nonsense; `warning`: it may be wrong; `info`: good to know. */
export type Severity = 'error' | 'warning' | 'info';

/** What a check has to say about one model. */
export interface Remark {
  readonly severity: Severity;
  /** names the thing, both values and the way out */
  readonly text: string;
}

/** Something about the files beside a checkpoint that makes merges fail in practice. */
export interface Finding extends Remark {
  /** the id of the check, such as `vocabulary`; `files` for a file that could not be read */
  readonly check: string;
  /** the model it is about, as the user named it */
  readonly model: string;
}

const ORDER: readonly Severity[] = ['error', 'warning', 'info'];

/** Errors, then warnings, then infos; in each of them the order stays. */
export function bySeverity(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}
