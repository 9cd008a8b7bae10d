import { compareWith, type ScoreReport, scoreReport } from '../at-rest/index.js';
import { loadFingerprint } from '../fingerprint/index.js';
import {
  type AtRestArguments,
  afterDashes,
  atRestOptions,
  atRestProblem,
  lastOfEach,
  METRIC_OPTIONS,
} from './at-rest-options.js';
import { scoreLines } from './at-rest-text.js';
import type { Command } from './command.js';
import { print } from './print.js';
import { untilStopped } from './stop.js';
import { jsonLine } from './watch-lines.js';

interface ScoreArguments extends AtRestArguments {
  model: string | undefined;
  base: string;
  reference: string[];
  fingerprint: string | undefined;
  slow: boolean;
  precise: boolean;
  json: boolean;
}

/** `mergeguard score`: one finished model against references. */
export const scoreCommand: Command<ScoreArguments> = {
  builder: (yargs) =>
    yargs
      // `--reference A --reference B` are two
      .parserConfiguration({ 'duplicate-arguments-array': true })
      .middleware(lastOfEach(['reference']), true)
      .positional('model', {
        type: 'string',
        describe:
          'The fine-tuned checkpoint, LoRA adapter or reference file to score; may stand last behind --reference',
      })
      .options({
        base: {
          type: 'string',
          requiresArg: true,
          demandOption: true,
          describe: 'The checkpoint that all were fine-tuned from',
        },
        reference: {
          type: 'string',
          array: true,
          requiresArg: true,
          demandOption: true,
          describe:
            'Models it is to be merged with: reference files, checkpoints, adapters, or folders of such',
        },
        fingerprint: {
          type: 'string',
          requiresArg: true,
          describe: 'Predict merges: name of a shipped fingerprint, or path of one [default: metrics only]',
        },
        ...METRIC_OPTIONS,
      })
      .check((args) => {
        const { models, references } = named(args);
        if (models.length !== 1 || references.length === 0) {
          return `Name one model to score, and at least one reference (models: ${models.join(', ') || 'none'}; references: ${references.join(', ') || 'none'}).`;
        }
        return atRestProblem({ ...args, model: models }, ['model', '--base', '--reference', '--fingerprint']);
      }),
  handler: score,
};

/**
 * Models and references that the arguments name. `--reference A B MODEL` reads as the usage has it, but an option of several
 * values takes the model too: then it is the last one.
 */
function named(args: Pick<ScoreArguments, 'model' | 'reference'>): {
  models: string[];
  references: string[];
} {
  const models = [...(args.model === undefined ? [] : [args.model]), ...afterDashes(args)];
  if (models.length > 0) {
    return { models, references: args.reference };
  }
  return { models: args.reference.slice(-1), references: args.reference.slice(0, -1) };
}

async function score(args: ScoreArguments): Promise<void> {
  const { models, references } = named(args);
  const fingerprint = args.fingerprint === undefined ? null : await loadFingerprint(args.fingerprint);
  await untilStopped([], async (signal) => {
    const { close, ...options } = atRestOptions(args);
    let report: ScoreReport;
    try {
      const { base, slow, precise } = args;
      const settings = { base, slow, precise, signal, ...options };
      report = scoreReport(await compareWith(models[0]!, references, settings), fingerprint);
    } finally {
      close();
    }
    print(args.json ? [jsonLine(report)] : scoreLines(report));
  });
}
