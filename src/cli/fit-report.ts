import { type Fingerprint, richestVariant, type Variant, verdictsOf } from '../fingerprint/index.js';
import { correlation, percent, points, wrap } from '../fingerprint/lines.js';
import { pad } from './text.js';

type Nullable = number | null;

/**
 * How well one merge method is predicted on tasks that the fit had not seen. r: mean correlation inside a fold; mae:
 * mean absolute error, a fraction; coverage80: share inside the 80 % interval; null: r with metrics of the wrong tasks.
 */
export interface MethodReport {
  readonly metricsOnly: { readonly r: Nullable; readonly mae: Nullable };
  readonly effectsOnly: { readonly r: Nullable; readonly mae: Nullable };
  readonly full: { readonly r: Nullable; readonly mae: Nullable; readonly coverage80: Nullable };
  readonly null: { readonly meanR: Nullable; readonly r95: Nullable };
}

/** What `fit --json` prints. */
export interface FitReport {
  readonly target: Fingerprint['target'];
  readonly methods: Readonly<Record<string, MethodReport>>;
  /** over the methods that have the figure */
  readonly mean: MethodReport;
}

/** Of every method's variant with the most features; fitted at the level 0.8. */
export function fitReport({ target, methods }: Fingerprint): FitReport {
  const reports = Object.entries(methods).map(
    ([method, fitted]) => [method, methodReport(richestVariant(fitted))] as const,
  );
  return { target, methods: Object.fromEntries(reports), mean: meanOf(reports.map(([, report]) => report)) };
}

function methodReport({ features, loto, metricsOnly, effectsOnly, null: nulls }: Variant): MethodReport {
  // Without metrics, effects alone are all there is.
  const effects = features.length === 0 ? loto : effectsOnly;
  return {
    metricsOnly: { r: metricsOnly?.r ?? null, mae: metricsOnly?.mae ?? null },
    effectsOnly: { r: effects?.r ?? null, mae: effects?.mae ?? null },
    full: { r: loto.r, mae: loto.mae, coverage80: loto.coverage },
    null: { meanR: nulls?.meanR ?? null, r95: nulls?.r95 ?? null },
  };
}

function meanOf(reports: readonly MethodReport[]): MethodReport {
  const over = (pick: (report: MethodReport) => Nullable): Nullable => {
    const values = reports.map(pick).filter((value) => value !== null);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return {
    metricsOnly: { r: over((each) => each.metricsOnly.r), mae: over((each) => each.metricsOnly.mae) },
    effectsOnly: { r: over((each) => each.effectsOnly.r), mae: over((each) => each.effectsOnly.mae) },
    full: {
      r: over((each) => each.full.r),
      mae: over((each) => each.full.mae),
      coverage80: over((each) => each.full.coverage80),
    },
    null: { meanR: over((each) => each.null.meanR), r95: over((each) => each.null.r95) },
  };
}

const OUTCOME = { normalized_acc: 'normalised accuracy', acc: 'raw accuracy' } as const;

/** The same as a table for a person, and in so many words where the metrics do not help. */
export function reportLines(fingerprint: Fingerprint): string[] {
  const { target, methods, mean } = fitReport(fingerprint);
  const names = Object.keys(methods);
  const width = Math.max('merge method'.length, ...names.map((name) => [...name].length));
  const line = (name: string, cells: readonly string[], cellWidth = 8) =>
    `${pad(name, width)}${cells.map((cell) => cell.padStart(cellWidth)).join('')}`.trimEnd();
  return [
    ...wrap(
      '',
      `Predicting ${OUTCOME[target]} on tasks that the fit had not seen (each was left out once). r is the ` +
        'mean correlation inside a fold, mae the mean absolute error in points, held the share of the merges inside ' +
        'the 80 % interval, null the r that metrics of the wrong tasks alone reach: its mean and 95 % point.',
    ),
    '',
    line('', ['metrics only', 'effects only', 'both'], 16),
    line('merge method', ['r', 'mae', 'r', 'mae', 'r', 'mae', 'held', 'null', '95 %']),
    ...names.map((name) => line(name, cellsOf(methods[name]))),
    ...(names.length > 1 ? [line('mean', cellsOf(mean))] : []),
    '',
    ...verdictLines(fingerprint),
  ];
}

function cellsOf(report: MethodReport): string[] {
  const { metricsOnly, effectsOnly, full } = report;
  const shown = (value: Nullable, text: (value: number) => string) => (value === null ? '-' : text(value));
  return [
    ...[metricsOnly, effectsOnly, full].flatMap(({ r, mae }) => [shown(r, correlation), shown(mae, points)]),
    shown(full.coverage80, percent),
    shown(report.null.meanR, correlation),
    shown(report.null.r95, correlation),
  ];
}

function verdictLines({ methods }: Fingerprint): string[] {
  const verdicts = Object.entries(methods).map(([method, fitted]) => ({
    method,
    ...verdictsOf(richestVariant(fitted)),
  }));
  const those = (wanted: (each: (typeof verdicts)[number]) => boolean) =>
    verdicts
      .filter(wanted)
      .map(({ method }) => method)
      .join(', ');
  const sentences: [string, string][] = [
    ['Beside effects the metrics help', those(({ gain }) => gain === 'help')],
    ['Beside effects the metrics make no difference', those(({ gain }) => gain === 'make no difference')],
    ['Beside effects the metrics do harm', those(({ gain }) => gain === 'do harm')],
    ['There are no metrics, only effects', those(({ gain }) => gain === null)],
    [
      'Metrics alone say no more than metrics of the wrong tasks do (no signal in them)',
      those(({ signal }) => signal === false),
    ],
    [
      'Whether metrics alone say more than metrics of the wrong tasks was not tried',
      those(({ gain, signal }) => gain !== null && signal === null),
    ],
  ];
  return sentences
    .filter(([, named]) => named !== '')
    .flatMap(([sentence, named]) => wrap('', `${sentence}: ${named}.`));
}
