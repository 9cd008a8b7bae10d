import { writeFile } from 'node:fs/promises';
import { compareAll, heatMap, type MatrixReport, matrixReport } from '../at-rest/index.js';
import { METRICS, metric, metricNames } from '../metrics/index.js';
import { nearest } from '../tensors/index.js';
import {
  type AtRestArguments,
  afterDashes,
  atRestOptions,
  atRestProblem,
  METRIC_OPTIONS,
} from './at-rest-options.js';
import { matrixLines } from './at-rest-text.js';
import type { Command } from './command.js';
import { checkPlace, writeWhole } from './fit-output.js';
import { print, tell } from './print.js';
import { jsonLine } from './watch-lines.js';

interface MatrixArguments extends AtRestArguments {
  models: string[];
  base: string | undefined;
  metric: string;
  csv: string | undefined;
  svg: string | undefined;
  force: boolean;
  slow: boolean;
  precise: boolean;
  json: boolean;
}

/** `mergeguard matrix`: every pair of some models by every metric. */
export const matrixCommand: Command<MatrixArguments> = {
  builder: (yargs) =>
    yargs
      // several models are a list, whatever the command line says of options given twice
      .parserConfiguration({ 'duplicate-arguments-array': true })
      .positional('models', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'Checkpoints, LoRA adapters, reference files, or folders of such',
      })
      .options({
        base: { type: 'string', requiresArg: true, describe: 'The checkpoint that all were fine-tuned from' },
        metric: {
          type: 'string',
          requiresArg: true,
          default: METRICS[0]!.name,
          describe: 'The metric of the table and the picture',
        },
        csv: { type: 'string', requiresArg: true, describe: 'Write all pairs and metrics to this file' },
        svg: { type: 'string', requiresArg: true, describe: 'Draw a heat map of the metric into this file' },
        force: { type: 'boolean', default: false, describe: 'Overwrite files that are there already' },
        ...METRIC_OPTIONS,
      })
      .check((args) => {
        if (!metricNames.includes(args.metric)) {
          const meant = nearest(args.metric, metricNames);
          return `--metric ${args.metric} is unknown${meant === null ? '' : `; did you mean ${meant}?`} Known are ${metricNames.join(', ')}`;
        }
        return atRestProblem(args);
      }),
  handler: matrix,
};

async function matrix(args: MatrixArguments): Promise<void> {
  const files = [args.csv, args.svg].filter((path) => path !== undefined);
  for (const path of files) {
    await checkPlace(path, args.force);
  }
  const { close, ...options } = atRestOptions(args);
  let report: MatrixReport;
  try {
    const { slow, precise, base = null } = args;
    report = matrixReport(
      await compareAll([...args.models, ...afterDashes(args)], { base, slow, precise, ...options }),
    );
  } finally {
    close();
  }
  if (args.csv !== undefined) {
    await writeWhole(args.csv, (path) => writeFile(path, csv(report)));
    tell(`wrote ${args.csv}`);
  }
  if (args.svg !== undefined) {
    await writeWhole(args.svg, (path) => writeFile(path, heatMap(report, metric(args.metric))));
    tell(`wrote ${args.svg}`);
  }
  print(args.json ? [jsonLine(report)] : matrixLines(report, args.metric));
}

/** One row a pair, columns as `mergeguard fit` takes them: outcomes of merges can be added to it. */
function csv({ pairs }: MatrixReport): string {
  const lines = [['task_a', 'task_b', ...metricNames].join(',')];
  for (const { a, b, metrics } of pairs) {
    lines.push([quoted(a), quoted(b), ...metricNames.map((name) => metrics[name] ?? '')].join(','));
  }
  return `${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
