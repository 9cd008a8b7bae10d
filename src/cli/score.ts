import { compareWith, scoreReport } from '../at-rest/index.js';
import { loadFingerprint } from '../fingerprint/index.js';
import { type AtRestArguments, atRestOptions, atRestProblem, METRIC_OPTIONS } from './at-rest-options.js';
import { scoreLines } from './at-rest-text.js';
import type { Command } from './command.js';
import { print } from './print.js';
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
      .positional('model', {
        type: 'string',
        describe: 'The fine-tuned checkpoint, LoRA adapter or reference file to score',
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
        // `--reference A B MODEL` reads like the usage says, but an option with several values takes the model too.
        if (args.model === undefined && args.reference.length < 2) {
          return 'Name the model to score after the references.';
        }
        return atRestProblem(args);
      }),
  handler: score,
};

async function score(args: ScoreArguments): Promise<void> {
  const references = [...args.reference];
  const model = args.model ?? references.pop()!;
  const fingerprint = args.fingerprint === undefined ? null : await loadFingerprint(args.fingerprint);
  const { close, ...options } = atRestOptions(args);
  try {
    const { base, slow, precise } = args;
    const comparison = await compareWith(model, references, { base, slow, precise, ...options });
    close();
    const report = scoreReport(comparison, fingerprint);
    print(args.json ? [jsonLine(report)] : scoreLines(report));
  } finally {
    close();
  }
}
