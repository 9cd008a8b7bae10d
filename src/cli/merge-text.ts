import type { MergedFile } from '../at-rest/index.js';
import {
  type CoefficientSearch,
  type ConfiguredMerge,
  hasOutcome,
  type MergekitConfig,
  type MergeOutcome,
  type NoOutcome,
  type Parameters,
} from '../merging/index.js';
import { someOf } from '../tensors/errors.js';
import { excludedLines, shareText } from './at-rest-text.js';
import { columnTables } from './columns.js';
import { percent, plain, wrapped } from './text.js';

const WIDTH = 100;
/** Names in the heading. */
const MOST_HEADED = 8;

/** Of a merge with one coefficient. */
export interface TaskAccuracies extends MergeOutcome {
  /** [tasks] in their order */
  readonly accuracies: readonly number[];
}

export interface SearchedCoefficient extends CoefficientSearch<TaskAccuracies> {
  readonly tasks: readonly string[];
}

export interface MergeReport extends MergedFile {
  /** id */
  readonly merge: string;
  readonly method: string;
  readonly parameters: Parameters;
  /** factor on the merged task vector */
  readonly coefficient: number;
  /** how the coefficient was found; null where it was not searched */
  readonly search: SearchedCoefficient | null;
  readonly seconds: number;
  /** null where it was not asked for */
  readonly mergekit: { readonly notes: readonly string[] } | { readonly reason: string } | null;
}

export function mergeReport(
  { id, method, parameters }: ConfiguredMerge,
  { merged, coefficient, search }: { merged: MergedFile } & Pick<MergeReport, 'coefficient' | 'search'>,
  config: MergekitConfig | null,
  seconds: number,
): MergeReport {
  const mergekit = config !== null && 'yaml' in config ? { notes: config.notes } : config;
  return { merge: id, method: method.name, parameters, coefficient, search, ...merged, seconds, mergekit };
}

/** What was merged, what was not and why, and what to know of the mergekit file. */
export function mergeLines(report: MergeReport): string[] {
  const { merge, coefficient, search, models, merged, total, share, tied, apart, copied, left } = report;
  const { mergekit, dtypes } = report;
  const factor = coefficient === 1 ? '' : `, its task vector times ${coefficient},`;
  const names = models.map(({ name }) => plain(name));
  const ties = Object.entries(tied).map(([name, first]) => ({ name, reason: `one weight with ${first}` }));
  const untied = Object.entries(apart).map(([name, first]) => ({
    name,
    reason: `one weight with ${first} in the base, written apart`,
  }));
  const notes = mergekit !== null && 'notes' in mergekit ? mergekit.notes : [];
  return [
    ...(search === null ? [] : searchLines(search)),
    ...wrapped(`${merge}${factor} of ${someOf(names, MOST_HEADED)}`, WIDTH, '  '),
    `${merged} of ${total} tensors of the base merged, ${shareText(share)} % of the parameters, in ${dtypes.join(', ')}`,
    ...excludedLines('tied', ties),
    ...excludedLines('no longer tied', untied),
    ...excludedLines('as in the base', copied),
    ...excludedLines('not written', left),
    ...(mergekit !== null && 'reason' in mergekit
      ? wrapped(`no mergekit file: ${plain(mergekit.reason)}`, WIDTH, '  ')
      : []),
    ...notes.flatMap((note) => wrapped(`mergekit: ${plain(note)}`, WIDTH, '  ')),
  ];
}

/** What was found, in a line. */
export function outcomeText(outcome: TaskAccuracies | NoOutcome): string {
  return 'failure' in outcome ? `no accuracy: ${outcome.failure}` : `accuracy ${percent(outcome.accuracy)}`;
}

/** A table of what was found with each coefficient, and what was chosen. */
function searchLines({ tasks, tried, best, plain: at1 }: SearchedCoefficient): string[] {
  const isSeveral = tasks.length > 1;
  const found = tried.filter(hasOutcome);
  const rows = found.map(({ coefficient, outcome: { accuracies, accuracy } }) => ({
    head: String(coefficient),
    cells: [...accuracies, ...(isSeveral ? [accuracy] : [])].map(percent),
  }));
  const failed = tried.filter((each) => !hasOutcome(each));
  const gain = 100 * (best.outcome.accuracy - at1.outcome.accuracy);
  const chosen =
    best.coefficient === 1
      ? 'Nothing was better than 1.'
      : `With ${best.coefficient} it is ${gain.toFixed(1)} points better than with 1, on the samples that it was chosen by.`;
  return [
    ...columnTables('coefficient', [...tasks, ...(isSeveral ? ['mean'] : [])], rows, WIDTH),
    ...failed.flatMap(({ coefficient, outcome }) =>
      wrapped(plain(`${coefficient}: ${outcomeText(outcome)}`), WIDTH, '  '),
    ),
    ...wrapped(chosen, WIDTH, '  '),
    '',
  ];
}
