import {
  type Agreement,
  type Agreements,
  chanceOf,
  compareFingerprints,
  compareMethods,
  type FilesComparison,
  type Fingerprint,
  richestVariant,
  STUDY,
} from '../fingerprint/index.js';
import { wrap } from '../fingerprint/lines.js';
import { cut, pad, percent } from './text.js';

export interface LabelledFingerprint {
  readonly label: string;
  readonly fingerprint: Fingerprint;
}

/** What `fingerprint compare --json` prints; shares are 0..1, null where there is nothing to compare. */
export interface Comparison {
  /** across the merge methods of each fingerprint */
  readonly within: readonly ({ readonly fingerprint: string; readonly methods: number } & Agreements)[];
  /** the same across methods, as the study reports it */
  readonly study: typeof STUDY;
  /** what random weights would agree in, among the most metrics that a method here has; null without any */
  readonly chance: ReturnType<typeof chanceOf> | null;
  /** the same merge method in two fingerprints, for every two */
  readonly between: readonly ({ readonly fingerprints: readonly [string, string] } & FilesComparison)[];
}

export function compareAll(fingerprints: readonly LabelledFingerprint[]): Comparison {
  const metrics = Math.max(...fingerprints.map(({ fingerprint }) => mostMetrics(fingerprint)));
  return {
    within: fingerprints.map(({ label, fingerprint }) => ({
      fingerprint: label,
      methods: Object.keys(fingerprint.methods).length,
      ...compareMethods(fingerprint),
    })),
    study: STUDY,
    chance: metrics > 0 ? chanceOf(metrics) : null,
    between: fingerprints.flatMap((a, i) =>
      fingerprints.slice(i + 1).map((b) => ({
        fingerprints: [a.label, b.label] as const,
        ...compareFingerprints(a.fingerprint, b.fingerprint),
      })),
    ),
  };
}

function mostMetrics({ methods }: Fingerprint): number {
  return Math.max(0, ...Object.values(methods).map((method) => richestVariant(method).features.length));
}

const KINDS = { metricsOnly: 'metrics alone', withEffects: 'beside effects' } as const;
const COLUMN = 16;
const LONGEST_LABEL = 36;

/** Tables for a person; metrics alone come first, since that is what the study's fingerprints are. */
export function renderComparison({ within, study, chance, between }: Comparison): string[] {
  const rows = [
    ...within.flatMap((each) =>
      kinds().map(([kind, words]) => ({
        title: `${cut(each.fingerprint, LONGEST_LABEL)}, ${words} (${each.methods} ${each.methods === 1 ? 'method' : 'methods'})`,
        ...each[kind],
      })),
    ),
    ...study.map((each) => ({ title: `the study, ${each.version} (${each.methods} methods)`, ...each })),
    ...(chance === null ? [] : [{ title: `by chance, among ${chance.metrics} metrics`, ...chance }]),
  ];
  const width = widthOf(rows.map(({ title }) => title));
  return [
    'Across merge methods: the share of the five largest weights that two methods have in common, and of',
    'the metrics with weight in both the share with the same sign; means over all pairs of methods.',
    '',
    `${' '.repeat(width)}${heading('top-5 overlap', 'same sign')}`,
    ...rows.map((row) => pad(row.title, width) + cells(row.overlap, row.signs)),
    '',
    'The study is arXiv 2601.22285, whose fingerprints are of metrics alone.',
    ...within.flatMap((each) => notes(each, `${each.fingerprint}, `)),
    ...between.flatMap((each) => ['', ...renderPair(each)]),
  ];
}

/** One line a method, and the mean. */
function renderPair({
  fingerprints: [a, b],
  methods,
  mean,
  unshared,
}: Comparison['between'][number]): string[] {
  const names = Object.keys(methods);
  const width = widthOf([...names, 'mean']);
  const line = (
    title: string,
    each: Readonly<Record<keyof Agreements, Pick<Agreement, 'overlap' | 'signs'>>>,
  ) =>
    pad(title, width) +
    kinds()
      .map(([kind]) => cells(each[kind].overlap, each[kind].signs))
      .join('');
  return [
    `The same method in ${a} and in ${b}:`,
    '',
    `${' '.repeat(width)}${kinds()
      .map(([, words]) => words.padStart(2 * COLUMN))
      .join('')}`,
    `${' '.repeat(width)}${kinds()
      .map(() => heading('top-5 overlap', 'same sign'))
      .join('')}`,
    ...names.map((name) => line(name, methods[name])),
    line('mean', mean),
    ...notes(mean, ''),
    ...(unshared.length > 0 ? [`only in one of them: ${unshared.join(', ')}`] : []),
  ];
}

function kinds(): [keyof Agreements, string][] {
  return Object.entries(KINDS) as [keyof Agreements, string][];
}

function notes(agreements: Agreements, prefix: string): string[] {
  return kinds().flatMap(([kind, words]) =>
    agreements[kind].notes.flatMap((note) => wrap('', `${prefix}${words}: ${note}`)),
  );
}

function heading(first: string, second: string): string {
  return first.padStart(COLUMN) + second.padStart(COLUMN);
}

function cells(overlap: number | null, signs: number | null): string {
  return percent(overlap).padStart(COLUMN) + percent(signs).padStart(COLUMN);
}

function widthOf(titles: readonly string[]): number {
  return Math.max(...titles.map((title) => [...title].length));
}
