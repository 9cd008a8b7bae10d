import { columnTables, type Row } from '../../../src/cli/columns.js';
import { pointsRange, signedPoints } from '../../../src/fingerprint/lines.js';
import { overSeedsText } from '../common/over-seeds.js';
import { type Interval, TASK_LEVEL } from '../common/task-bootstrap.js';
import { LEVEL } from './analyse-method.js';
import type { MethodFigures, PredictorFigures } from './method-figures.js';
import { FURTHER_PREDICTORS, PREDICTORS } from './predictors.js';
import { aimSentences, togetherSentences, verdictSentences } from './report-sentences.js';
import type { ZooReport } from './zoo-report.js';

/** of a line: six merge methods beside each other */
const COLUMNS = 130;

type Methods = Readonly<Record<string, MethodFigures>>;

/** Tables of predictors by merge methods, and what they say in sentences. */
export function reportLines(report: ZooReport): string[] {
  const { seeds, pairs, penalties, relabellings, resamples, withoutFragile } = report;
  const chosen =
    penalties === 'nested'
      ? 'penalties on weights chosen inside the training folds'
      : 'default penalties on weights, not chosen inside the training folds (quick)';
  const left = withoutFragile.left.map(({ seed, tasks }) => `${tasks.join(' and ')} (seed ${seed})`);
  return [
    `${pairs} pairs, ${seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${seeds.join(', ')}`}; ` +
      `${seeds.length === 1 ? 'one seed, so no spread' : '± is the standard deviation over the seeds'}.`,
    'Every task is left out once: fitted without its pairs, and its pairs predicted. Errors in points of normalised accuracy.',
    `${chosen}; ${relabellings} relabellings; intervals of gains: ${percent(TASK_LEVEL)} of ${resamples} resamples of the tasks.`,
    '',
    ...tables(report.methods),
    '',
    ...togetherSentences(report.together),
    ...verdictSentences(report.methods),
    ...aimSentences(report.methods),
    '',
    `Once more without the two tasks that merges hurt most: ${left.join(', ')}`,
    '',
    ...tables(withoutFragile.methods),
    '',
    ...togetherSentences(withoutFragile.together),
    ...verdictSentences(withoutFragile.methods),
  ];
}

function tables(methods: Methods): string[] {
  const names = Object.keys(methods);
  const each = Object.values(methods);
  const table = (title: string, rows: readonly Row[]) => columnTables(title, names, rows, COLUMNS);
  const predictors = [...PREDICTORS, ...FURTHER_PREDICTORS].map(({ name }) => name);
  const figures = (title: string, cellOf: (figures: PredictorFigures) => string) =>
    table(
      title,
      predictors.map((name) => ({
        head: name,
        cells: each.map((method) => (method.predictors[name] ? cellOf(method.predictors[name]) : '-')),
      })),
    );
  const row = (head: string, cellOf: (method: MethodFigures) => string): Row => ({
    head,
    cells: each.map(cellOf),
  });
  const samples = [...new Set(each.flatMap(({ gains }) => gains.map((gain) => gain.samples)))];
  const notes = noteLines(methods);
  return [
    ...table('normalised accuracy', [
      row('mean', ({ truth }) => overSeedsText(truth.mean, 100, 1)),
      row('sd of pairs', ({ truth }) => overSeedsText(truth.sd, 100, 1)),
    ]),
    '',
    ...figures('mean absolute error', ({ mae }) => overSeedsText(mae, 100, 2)),
    '',
    ...figures('r in fold', ({ r }) => overSeedsText(r, 1, 2)),
    '',
    ...figures('pooled r', ({ pooledR }) => overSeedsText(pooledR, 1, 2)),
    '',
    ...figures(`${percent(LEVEL)} held, %`, ({ coverage }) => overSeedsText(coverage, 100, 0)),
    '',
    ...table('metrics, r in fold', [
      row('observed', ({ predictors: { metrics } }) => (metrics ? overSeedsText(metrics.r, 1, 2) : '-')),
      row('wrong tasks, mean', (method) => method.null?.meanR.toFixed(2) ?? '-'),
      row('wrong tasks, 95 %', (method) => method.null?.r95.toFixed(2) ?? '-'),
    ]),
    '',
    ...table(
      'probe to all, gain',
      samples.flatMap((count) => gainRows(count, row)),
    ),
    ...(notes.length > 0 ? ['', ...notes] : []),
  ];
}

/** Each once, with the methods and seeds that it holds for. */
function noteLines(methods: Methods): string[] {
  const places = new Map<string, { methods: Set<string>; seeds: Set<number> }>();
  for (const [method, { notes }] of Object.entries(methods)) {
    for (const { seed, text } of notes) {
      const place = places.get(text) ?? { methods: new Set(), seeds: new Set() };
      places.set(text, place);
      place.methods.add(method);
      place.seeds.add(seed);
    }
  }
  return [...places].map(
    ([text, place]) =>
      `${text} (${[...place.methods].join(', ')}; ${place.seeds.size === 1 ? 'seed' : 'seeds'} ${[...place.seeds].join(', ')})`,
  );
}

function gainRows(
  samples: number,
  row: (head: string, cellOf: (method: MethodFigures) => string) => Row,
): Row[] {
  const gainOf = (method: MethodFigures) => method.gains.find((gain) => gain.samples === samples);
  const cell = (interval: Interval | null | undefined, textOf: (interval: Interval) => string) =>
    interval ? textOf(interval) : '-';
  return [
    row(`error, ${samples} samples`, (method) =>
      cell(gainOf(method)?.mae, ({ value }) => signedPoints(value)),
    ),
    row('  interval', (method) => cell(gainOf(method)?.mae, ({ low, high }) => pointsRange([low, high]))),
    row('  tasks better', (method) => {
      const gain = gainOf(method);
      return gain ? `${gain.better} of ${gain.tasks}` : '-';
    }),
    row('  r in fold', (method) => cell(gainOf(method)?.r, ({ value }) => value.toFixed(2))),
    row('  interval', (method) =>
      cell(gainOf(method)?.r, ({ low, high }) => `${low.toFixed(2)} to ${high.toFixed(2)}`),
    ),
  ];
}

function percent(fraction: number): string {
  return `${Math.round(100 * fraction)} %`;
}
