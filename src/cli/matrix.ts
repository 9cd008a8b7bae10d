import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { compareAll, heatMap, type MatrixReport, matrixCsv, matrixReport } from '../at-rest/index.js';
import { METRICS, metric, metricNames } from '../metrics/index.js';
import { nearest } from '../tensors/index.js';
import {
  type AtRestArguments,
  afterDashes,
  atRestOptions,
  atRestProblem,
  lastOfEach,
  METRIC_OPTIONS,
} from './at-rest-options.js';
import { matrixLines } from './at-rest-text.js';
import type { Command } from './command.js';
import { checkPlace, writeWhole } from './fit-output.js';
import { print, tell } from './print.js';
import { untilStopped } from './stop.js';
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
      .middleware(lastOfEach(['models']), true)
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
          return `--metric "${args.metric}" is unknown${meant === null ? '' : `; did you mean ${meant}?`}\nKnown are ${metricNames.join(', ')}.`;
        }
        if (args.csv !== undefined && args.svg !== undefined && resolve(args.csv) === resolve(args.svg)) {
          return `--csv and --svg are one file, ${args.csv}`;
        }
        return atRestProblem(args, ['models', '--base', '--csv', '--svg']);
      }),
  handler: matrix,
};

async function matrix(args: MatrixArguments): Promise<void> {
  const { csv, svg, slow, precise, base = null } = args;
  const models = [...args.models, ...afterDashes(args)];
  const files = [csv, svg].filter((path) => path !== undefined);
  for (const path of files) {
    await checkPlace(path, args.force, base === null ? models : [base, ...models]);
  }
  await untilStopped(files, async (signal) => {
    const { close, ...options } = atRestOptions(args);
    let report: MatrixReport;
    try {
      report = matrixReport(await compareAll(models, { base, slow, precise, signal, ...options }));
    } finally {
      close();
    }
    if (csv !== undefined) {
      await writeWhole(csv, (path) => writeFile(path, matrixCsv(report)));
      tell(`wrote ${csv}`);
    }
    if (svg !== undefined) {
      await writeWhole(svg, (path) => writeFile(path, heatMap(report, metric(args.metric))));
      tell(`wrote ${svg}`);
    }
    print(args.json ? [jsonLine(report)] : matrixLines(report, args.metric));
  });
}
