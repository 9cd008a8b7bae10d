import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import {
  FEATURE_GROUPS,
  FEATURES,
  type Fingerprint,
  type FitOptions,
  featureSets,
  fitFingerprint,
  type TableRow,
  writeFingerprint,
} from '../fingerprint/index.js';
import type { Command } from './command.js';
import { type FitArguments, fitInput, namesIn, QUICK_RELABELLINGS, RELABELLINGS } from './fit-input.js';
import { checkPlace, writeWhole } from './fit-output.js';
import { fitReport, reportLines } from './fit-report.js';
import { print, tell } from './print.js';
import { untilStopped } from './stop.js';
import { plain } from './text.js';
import { jsonLine } from './watch-lines.js';
import { duration, WorkProgress } from './work-progress.js';

/** `mergeguard fit`: a fingerprint from a table of merges that were really made. */
export const fitCommand: Command<FitArguments> = {
  builder: (yargs) =>
    yargs
      .positional('table', {
        type: 'string',
        demandOption: true,
        describe: 'CSV: task_a, task_b, metrics by name, normalized_acc_<method> or acc_<method>',
      })
      .options({
        out: { type: 'string', requiresArg: true, demandOption: true, describe: 'File of the fingerprint' },
        target: {
          choices: ['normalized_acc', 'acc'] as const,
          default: 'normalized_acc' as const,
          describe: 'What is predicted; a guard takes normalized_acc',
        },
        methods: {
          type: 'string',
          requiresArg: true,
          describe: 'Merge methods, comma-separated [default: all of the table]',
        },
        features: {
          type: 'string',
          requiresArg: true,
          default: 'all',
          describe: `Metrics: all, or groups joined by + (${Object.keys(FEATURE_GROUPS).join(', ')})`,
        },
        quick: {
          type: 'boolean',
          default: false,
          describe: 'Default penalties instead of chosen ones, and fewer relabellings',
        },
        relabellings: {
          type: 'number',
          requiresArg: true,
          describe: `Fits with metrics of the wrong tasks [default: ${RELABELLINGS}, ${QUICK_RELABELLINGS} with --quick]`,
        },
        threads: {
          type: 'number',
          requiresArg: true,
          default: availableParallelism(),
          defaultDescription: 'one a core',
          describe: 'Threads that solve linear programs',
        },
        name: {
          type: 'string',
          requiresArg: true,
          describe: "Name of the fingerprint [default: the table's]",
        },
        architecture: {
          type: 'string',
          requiresArg: true,
          default: 'unknown architecture',
          describe: 'Of the models in the table: a fingerprint is right only for their like',
        },
        optimiser: {
          type: 'string',
          requiresArg: true,
          default: 'unknown optimiser',
          describe: 'With which they were trained',
        },
        gradients: {
          choices: ['calibration', 'ema'] as const,
          default: 'calibration' as const,
          describe:
            "How task_a's gradients were taken: on calibration samples, or averaged in training (ema, as a run streams them)",
        },
        force: { type: 'boolean', default: false, describe: 'Overwrite a file that is there already' },
        json: { type: 'boolean', default: false, describe: 'Print one JSON object on standard output' },
      })
      .check(usageProblem),
  handler: fit,
};

/** What is wrong with the arguments, or true. */
function usageProblem(args: FitArguments): string | true {
  if (args.out === '' || args.name === '') {
    return `--${args.out === '' ? 'out' : 'name'} must not be empty`;
  }
  if (resolve(args.out) === resolve(args.table)) {
    return '--out is the table itself';
  }
  if (featureSets(args.features, FEATURES) === null) {
    return `--features must be all, or some of ${Object.keys(FEATURE_GROUPS).join(', ')}, joined by +`;
  }
  if (args.methods !== undefined && namesIn(args.methods).includes('')) {
    return '--methods must be names separated by commas';
  }
  if (!isWhole(args.relabellings ?? 0, 0)) {
    return '--relabellings must be a whole number from 0';
  }
  return isWhole(args.threads, 1) || '--threads must be a whole number from 1';
}

function isWhole(value: number, least: number): boolean {
  return Number.isInteger(value) && value >= least;
}

async function fit(args: FitArguments): Promise<void> {
  await checkPlace(args.out, args.force);
  const { rows, options, notices } = await fitInput(args);
  for (const notice of notices) {
    tell(`note: ${plain(notice)}`);
  }
  await untilStopped([args.out], async (signal) => {
    const fingerprint = await fitAndWrite(rows, options, { out: args.out, threads: args.threads, signal });
    print(args.json ? [jsonLine(fitReport(fingerprint))] : reportLines(fingerprint).map(plain));
  });
}

/** Fits a fingerprint under a bar and writes it. */
export async function fitAndWrite(
  rows: readonly TableRow[],
  options: FitOptions,
  { out, threads, signal }: { readonly out: string; readonly threads: number; readonly signal: AbortSignal },
): Promise<Fingerprint> {
  const began = performance.now();
  const progress = new WorkProgress(process.stderr, (done, total) => `${done} of ${total} fits`);
  try {
    const fingerprint = await fitFingerprint(rows, {
      ...options,
      pool: { threads },
      signal,
      onProgress: (step) => progress.show(step),
    });
    signal.throwIfAborted();
    progress.close();
    await writeWhole(out, (path) => writeFingerprint(path, fingerprint));
    tell(`wrote ${out} after ${duration((performance.now() - began) / 1000)}`);
    return fingerprint;
  } finally {
    progress.close();
  }
}
