import type { MergedFile } from '../at-rest/index.js';
import type { ConfiguredMerge, MergekitConfig, Parameters } from '../merging/index.js';
import { someOf } from '../tensors/errors.js';
import { excludedLines, shareText } from './at-rest-text.js';
import { plain, wrapped } from './text.js';

const WIDTH = 100;
/** Names in the heading. */
const MOST_HEADED = 8;

export interface MergeReport extends MergedFile {
  /** id */
  readonly merge: string;
  readonly method: string;
  readonly parameters: Parameters;
  readonly seconds: number;
  /** null where it was not asked for */
  readonly mergekit: { readonly notes: readonly string[] } | { readonly reason: string } | null;
}

export function mergeReport(
  { id, method, parameters }: ConfiguredMerge,
  merged: MergedFile,
  config: MergekitConfig | null,
  seconds: number,
): MergeReport {
  const mergekit = config !== null && 'yaml' in config ? { notes: config.notes } : config;
  return { merge: id, method: method.name, parameters, ...merged, seconds, mergekit };
}

/** What was merged, what was not and why, and what to know of the mergekit file. */
export function mergeLines(report: MergeReport): string[] {
  const { merge, models, merged, total, share, tied, apart, copied, left, mergekit, dtypes } = report;
  const names = models.map(({ name }) => plain(name));
  const ties = Object.entries(tied).map(([name, first]) => ({ name, reason: `one weight with ${first}` }));
  const untied = Object.entries(apart).map(([name, first]) => ({
    name,
    reason: `one weight with ${first} in the base, written apart`,
  }));
  const notes = mergekit !== null && 'notes' in mergekit ? mergekit.notes : [];
  return [
    ...wrapped(`${merge} of ${someOf(names, MOST_HEADED)}`, WIDTH, '  '),
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
