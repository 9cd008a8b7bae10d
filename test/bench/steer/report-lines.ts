import { columnTables, type Row } from '../../../src/cli/columns.js';
import { points, pointsRange, signedPoints } from '../../../src/fingerprint/lines.js';
import { type OverSeeds, overSeedsText } from '../common/over-seeds.js';
import { TASK_LEVEL } from '../common/task-bootstrap.js';
import type { LiveFigures, LiveReport } from './analyse-live.js';
import type { PoolRow, PoolsReport, VariantFigures } from './analyse-pools.js';
import type { Figure } from './gap.js';
import type { StepCost } from './steer-table.js';

/** of a line */
const COLUMNS = 150;

const TASKS_DRAWN = `${Math.round(100 * TASK_LEVEL)} % of resamples of the tasks`;

/** Whole pools: raw accuracies, then what is gained on the controls. */
export function poolLines(report: PoolsReport): string[] {
  const { seeds, tasks, headline, methods, plain, variants } = report;
  const rows = distinct([plain, ...variants.flatMap(({ steered, matched }) => [steered, matched])]);
  const names = ['single', ...methods, 'pairs', 'steps', 'gradients'];
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
          String(row.steps),
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
      ['single', ...methods, 'mean', 'steps', 'gradients'],
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
    ...variants.flatMap(({ title, controls }) => {
      const known = [...new Set(controls)];
      return known.length === 0 ? [] : [`  ${title}: ${known.join('; ')}`];
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
    'Against plain training of the same steps:',
    '',
    ...gainLines('gain on plain', variants, ({ againstPlain }) => againstPlain),
    ...warningLines(variants),
  ];
}

function gainLines(
  head: string,
  variants: readonly VariantFigures[],
  of: (variant: VariantFigures) => VariantFigures['againstMatched'],
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
          gapClosed ? pointsRange0([gapClosed.low, gapClosed.high]) : '-',
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

/** One live model against fixed references. */
export function liveLines({ seeds, tasks, references, methods, variants }: LiveReport): string[] {
  const names = [
    'single',
    ...methods.map((method) => `${method}`),
    'loss closed, %',
    'interval',
    'references',
    'gradients',
    'step cost',
  ];
  const [plain, ...steered] = variants as [LiveFigures, ...LiveFigures[]];
  return [
    `One live model (${tasks.join(', ')}, one after the other) against fixed plain references (${references.join(', ')}), ${seedsText(seeds)}.`,
    `Raw accuracy, mean of both tasks after merging; plain: single ${percents(plain.single)}, ${methods
      .map((method) => `${method} ${percents(plain.raw[method]!)}`)
      .join(', ')}; the live task loses ${percents(plain.loss)} points.`,
    'Changes against it in points; "loss closed" is the share of the live task\'s loss that is gone, "references" the change of theirs;',
    `intervals: ${TASKS_DRAWN}, of which there are ${tasks.length} only.`,
    '',
    ...columnTables(
      'change',
      names,
      steered.map((figures) => ({
        head: figures.title,
        cells: [
          change(figures.singleDelta),
          ...methods.map((method) => change(figures.rawDelta[method]!)),
          figures.lossClosed ? points(figures.lossClosed.value, 0) : '-',
          figures.lossClosed ? pointsRange0([figures.lossClosed.low, figures.lossClosed.high]) : '-',
          change(figures.referencesDelta),
          figures.gradientEvaluations.toFixed(2),
          costText(figures.stepCost),
        ],
      })),
      COLUMNS,
    ),
    ...warningLines(steered),
  ];
}

/** What the shipped default was to reach in whole pools, met or not. */
export function poolAims({ variants }: PoolsReport, id: string): string[] {
  const shipped = variants.find((variant) => variant.id === id);
  const { gapClosed, single } = shipped?.againstMatched ?? {};
  if (!shipped || !gapClosed || !single) {
    return [];
  }
  const { stepCost } = shipped;
  return [
    `gap closed ${shareText(gapClosed)} %, aim at least 15: ${met(gapClosed.value >= 0.15)}; interval above zero: ${met(gapClosed.low > 0)}.`,
    `single models ${deltaText(single)} points, aim at least -0.3: ${met(single.value >= -0.003)}.`,
    ...(stepCost
      ? [`step cost ${costText(stepCost)}, aim at most 1.35: ${met(stepCost.ratio <= 1.35)}.`]
      : []),
  ];
}

/** What it was to reach with one live model; without it in the table nothing is said. */
export function liveAims({ variants }: LiveReport, id: string): string[] {
  const shipped = variants.find((variant) => variant.id === id);
  if (!shipped?.lossClosed || shipped.singleDelta.mean === null) {
    return [];
  }
  const { lossClosed, singleDelta } = shipped;
  return [
    `${shipped.title}: live loss closed ${points(lossClosed.value, 0)} %, aim at least 25: ${met(lossClosed.value >= 0.25)};`,
    `its single model ${change(singleDelta)} points, aim at least -0.5: ${met(shipped.singleDelta.mean >= -0.005)}.`,
  ];
}

function met(holds: boolean): string {
  return holds ? 'reached' : 'MISSED';
}

/** The hook's own words, each once. */
function warningLines(variants: readonly { title: string; warnings: readonly string[] }[]): string[] {
  const lines = variants.flatMap(({ title, warnings }) =>
    warnings.map((warning) => `  ${title}: ${warning}`),
  );
  return lines.length === 0 ? [] : ['', 'What the hook had to say:', ...lines];
}

function distinct(rows: readonly PoolRow[]): PoolRow[] {
  return rows.filter((row, i) => rows.findIndex(({ title }) => title === row.title) === i);
}

function seedsText(seeds: readonly number[]): string {
  return seeds.length === 1
    ? `seed ${seeds[0]}: one seed, so no spread`
    : `seeds ${seeds.join(', ')}; ± is the standard deviation over the seeds`;
}

function percents(value: OverSeeds): string {
  return overSeedsText(value, 100, 1);
}

/** A change in points, with its sign. */
function change(value: OverSeeds): string {
  const text = overSeedsText(value, 100, 2);
  return Number.parseFloat(text) > 0 ? `+${text}` : text;
}

function deltaText({ value, spread }: Figure): string {
  return spread === null ? signedPoints(value) : `${signedPoints(value)} ± ${points(spread)}`;
}

function shareText(share: Figure | null): string {
  if (share === null) {
    return '-';
  }
  const { value, spread } = share;
  return spread === null ? points(value, 0) : `${points(value, 0)} ± ${points(spread, 0)}`;
}

function pointsRange0([low, high]: readonly [number, number]): string {
  return `${points(low, 0)} to ${points(high, 0)}`;
}

function costText(cost: StepCost | null): string {
  return cost === null ? '-' : `${cost.ratio.toFixed(2)} x`;
}
