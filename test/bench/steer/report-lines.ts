import { columnTables, type Row } from '../../../src/cli/columns.js';
import { pointsRange } from '../../../src/fingerprint/lines.js';
import type { OverSeeds } from '../common/over-seeds.js';
import type { PoolRow, PoolsReport, VariantFigures } from './analyse-pools.js';
import type { GapFigures } from './gap.js';
import {
  COLUMNS,
  costText,
  deltaText,
  met,
  percentRange,
  percents,
  seedsText,
  shareText,
  TASKS_DRAWN,
  warningLines,
} from './report-texts.js';

/** Columns that say how a pool was trained. */
const TRAINING: readonly string[] = ['steps', 'step size', 'gradients'];

/** Whole pools: raw accuracies, then what is gained on the controls. */
export function poolLines(report: PoolsReport): string[] {
  const { seeds, tasks, headline, methods, plain, variants } = report;
  const rows = distinct([
    plain,
    ...variants.flatMap(({ steered, matched, ownPlain }) => [steered, matched, ownPlain]),
  ]);
  const names = ['single', ...methods, 'pairs', ...TRAINING];
  const accuracies = (
    of: (row: PoolRow) => Readonly<Record<string, OverSeeds>>,
    meanOf: (row: PoolRow) => OverSeeds,
  ) =>
    rows.map(
      (row): Row => ({
        head: row.title,
        cells: [
          percents(row.single),
          ...methods.map((method) => (of(row)[method] ? percents(of(row)[method]!) : '-')),
          percents(meanOf(row)),
          row.steps.join('/'),
          row.learningRates.join('/'),
          row.gradientEvaluations.toFixed(2),
        ],
      }),
    );
  return [
    `Whole pools of ${tasks.length} tasks, ${seedsText(seeds)}.`,
    'Raw accuracy on test images, per cent; every merge at the coefficient that is best on calibration samples.',
    `"pairs" is the mean over ${headline.join(', ')}; "gradients" is gradient evaluations a step.`,
    '',
    ...columnTables(
      'merged pairs',
      names,
      accuracies(
        (row) => row.pairs,
        (row) => row.pairsMean,
      ),
      COLUMNS,
    ),
    '',
    ...columnTables(
      'all in one',
      ['single', ...methods, 'mean', ...TRAINING],
      accuracies(
        (row) => row.all,
        (row) => row.allMean,
      ),
      COLUMNS,
    ),
    '',
    ...columnTables(
      'coefficient, median',
      methods,
      rows.map((row) => ({
        head: row.title,
        cells: methods.map((method) => row.coefficients[method]?.toFixed(2) ?? '-'),
      })),
      COLUMNS,
    ),
    '',
    'Against plain training with as many gradient evaluations, whose step size is the best on calibration samples;',
    `intervals: ${TASKS_DRAWN}.`,
    ...variants.map(({ title, controls }) => {
      const known = [...new Set(controls)];
      return `  ${title}: ${known.length === 1 ? known[0] : controls.map((control, i) => `seed ${seeds[i]} ${control}`).join('; ')}`;
    }),
    '',
    ...gainLines('gain on the control', variants, ({ againstMatched }) => againstMatched),
    '',
    ...columnTables(
      'gap closed, % of it',
      methods,
      variants.map(({ title, methods: each }) => ({
        head: title,
        cells: methods.map((method) => shareText(each[method]?.gapClosed ?? null)),
      })),
      COLUMNS,
    ),
    '',
    "Against plain training by the benchmark's own steps and step size:",
    '',
    ...gainLines('gain on plain', variants, ({ againstPlain }) => againstPlain),
    '',
    'Against plain training by the same steps and step size as the variant:',
    ...variants.map(({ title, ownPlain }) => `  ${title}: ${ownPlain.title}`),
    '',
    ...gainLines('gain on its own plain', variants, ({ againstOwnPlain }) => againstOwnPlain),
    ...warningLines(variants),
  ];
}

function gainLines(
  head: string,
  variants: readonly VariantFigures[],
  of: (variant: VariantFigures) => GapFigures,
): string[] {
  return columnTables(
    head,
    ['gap closed, %', 'interval', 'pairs', 'single', 'interval', 'all in one', 'step cost'],
    variants.map((variant) => {
      const { gapClosed, pairs, single, all } = of(variant);
      return {
        head: variant.title,
        cells: [
          shareText(gapClosed),
          gapClosed ? percentRange([gapClosed.low, gapClosed.high]) : '-',
          deltaText(pairs),
          deltaText(single),
          pointsRange([single.low, single.high]),
          deltaText(all),
          costText(variant.stepCost),
        ],
      };
    }),
    COLUMNS,
  );
}

/** What the recommended steering was to reach in whole pools, met or not. */
export function poolAims({ variants }: PoolsReport, id: string): string[] {
  const recommended = variants.find((variant) => variant.id === id);
  const { gapClosed, single } = recommended?.againstMatched ?? {};
  if (!recommended || !gapClosed || !single) {
    return [];
  }
  const { stepCost } = recommended;
  return [
    `gap closed ${shareText(gapClosed)} %, aim at least 15: ${met(gapClosed.value >= 0.15)}; interval above zero: ${met(gapClosed.low > 0)}.`,
    `single models ${deltaText(single)} points, aim at least -0.3: ${met(single.value >= -0.003)}.`,
    ...(stepCost
      ? [`step cost ${costText(stepCost)}, aim at most 1.35: ${met(stepCost.ratio <= 1.35)}.`]
      : []),
  ];
}

/** Pools of the same training in every seed are one. */
function distinct(rows: readonly PoolRow[]): PoolRow[] {
  return [...new Map(rows.map((row) => [row.titles.join(), row])).values()];
}
