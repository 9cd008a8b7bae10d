import { columnTables } from '../../../src/cli/columns.js';
import { points } from '../../../src/fingerprint/lines.js';
import { LEAST_TASKS } from '../common/task-bootstrap.js';
import type { LiveFigures, LiveGains, LiveReport } from './analyse-live.js';
import {
  COLUMNS,
  change,
  costText,
  met,
  percentRange,
  percents,
  seedsText,
  shareText,
  TASKS_DRAWN,
  warningLines,
} from './report-texts.js';

/** One live model against fixed references. */
export function liveLines(report: LiveReport): string[] {
  const { seeds, tasks, references, methods, variants } = report;
  const plains = variants.filter(({ isPlain }) => isPlain);
  const steered = variants.filter(({ isPlain }) => !isPlain);
  const [plain] = plains as [LiveFigures];
  // Where a variant's own plain training is the benchmark's, the first table says it all.
  const others = variants.filter(
    ({ againstOwnPlain, id }) => id !== plain.id && againstOwnPlain.control !== plain.title,
  );
  return [
    `One live model (${tasks.join(', ')}, one after the other) against fixed plain references (${references.join(', ')}), ${seedsText(seeds)}.`,
    'Raw accuracy in per cent, mean of both tasks after merging:',
    ...plains.map((row) => `  ${plainText(row, methods)}`),
    'Changes against plain training in points; "loss closed" is what the live task has more in the merge, over what it loses there after',
    'plain training, "references" the change of their tasks; "gradients" is gradient evaluations over the steps of plain training.',
    tasks.length < LEAST_TASKS
      ? `There are no intervals: of ${tasks.length} tasks, fewer than ${LEAST_TASKS}, resamples say nothing.`
      : `Intervals: ${TASKS_DRAWN}.`,
    '',
    'Against plain training by the same steps and step size:',
    '',
    ...gainLines(report, steered, ({ againstOwnPlain }) => againstOwnPlain),
    ...(others.length === 0
      ? []
      : [
          '',
          `Those of other step sizes against plain training at ${plain.learningRate}:`,
          '',
          ...gainLines(report, others, ({ againstPlain }) => againstPlain),
        ]),
    ...warningLines(steered),
  ];
}

function plainText(
  { title, learningRate, single, raw, loss }: LiveFigures,
  methods: readonly string[],
): string {
  const merged = methods.map((method) => `${method} ${percents(raw[method]!)}`);
  return `${title}, step size ${learningRate}: single ${percents(single)}, ${merged.join(', ')}; the live task loses ${percents(loss)} points.`;
}

function gainLines(
  { methods, tasks }: LiveReport,
  variants: readonly LiveFigures[],
  of: (figures: LiveFigures) => LiveGains,
): string[] {
  const hasIntervals = tasks.length >= LEAST_TASKS;
  return columnTables(
    'change',
    [
      'single',
      ...methods,
      'loss closed, %',
      ...(hasIntervals ? ['interval'] : []),
      'references',
      'step size',
      'gradients',
      'step cost',
    ],
    variants.map((figures) => {
      const { single, raw, lossClosed, references } = of(figures);
      return {
        head: figures.title,
        cells: [
          change(single),
          ...methods.map((method) => change(raw[method]!)),
          shareText(lossClosed),
          ...(hasIntervals ? [lossClosed?.interval ? percentRange(lossClosed.interval) : '-'] : []),
          change(references),
          String(figures.learningRate),
          figures.gradientEvaluations.toFixed(2),
          costText(figures.stepCost),
        ],
      };
    }),
    COLUMNS,
  );
}

/**
 * What the recommended steering was to reach with one live model, against each plain training that it is held against; nothing
 * where it is not in the table.
 */
export function liveAims({ variants }: LiveReport, id: string): string[] {
  const recommended = variants.find((variant) => variant.id === id);
  if (!recommended) {
    return [];
  }
  const { againstOwnPlain, againstPlain } = recommended;
  const all =
    againstOwnPlain.control === againstPlain.control ? [againstPlain] : [againstOwnPlain, againstPlain];
  return all.flatMap(({ control, lossClosed, single, references }) =>
    lossClosed === null || single.mean === null
      ? []
      : [
          `${recommended.title}, against "${control}": live loss closed ${points(lossClosed.value, 0)} %, aim at least 25: ${met(lossClosed.value >= 0.25)};`,
          `its single model ${change(single)} points, aim at least -0.5: ${met(single.mean >= -0.005)}; the references ${change(references)} points.`,
        ],
  );
}
