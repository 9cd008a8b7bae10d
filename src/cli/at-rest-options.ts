import { availableParallelism } from 'node:os';
import type { Finding } from '../at-rest/index.js';
import { namesIn } from './fit-input.js';
import { tell } from './print.js';
import { plain } from './text.js';
import { WorkProgress } from './work-progress.js';

/** Progress is shown of what takes longer than this. */
export const QUIET_MS = 2000;

/** Options of every command that reads models at rest. */
export const AT_REST_OPTIONS = {
  heads: {
    type: 'string',
    requiresArg: true,
    describe: 'Names, or first parts of names, of tensors to leave out, comma-separated [default: none]',
  },
  threads: {
    type: 'number',
    requiresArg: true,
    default: availableParallelism(),
    defaultDescription: 'one a core',
    describe: 'Worker threads',
  },
} as const;

/** Options of the commands that compute metrics. */
export const METRIC_OPTIONS = {
  ...AT_REST_OPTIONS,
  slow: {
    type: 'boolean',
    default: true,
    describe: 'The slow metrics too (bottom subspaces, spectra); --no-slow leaves them out',
  },
  precise: {
    type: 'boolean',
    default: false,
    describe: 'Task vectors in float64 and no Gram matrices: to the last digits, several times slower',
  },
  json: { type: 'boolean', default: false, describe: 'Print one JSON object on standard output' },
} as const;

export interface AtRestArguments {
  heads: string | undefined;
  threads: number;
}

/** What stands behind `--`: yargs leaves it beside the command's name, as no positional of the command. */
export function afterDashes(args: object): string[] {
  return ((args as { _?: (string | number)[] })._ ?? []).slice(1).map(String);
}

/**
 * For yargs, before it validates: of an option that is given twice the last one counts, as everywhere; without this a command
 * that takes lists has a list of every option.
 *
 * @param lists options and positionals that are lists
 */
export function lastOfEach(lists: readonly string[]): (args: Record<string, unknown>) => void {
  return (args) => {
    for (const [name, value] of Object.entries(args)) {
      if (Array.isArray(value) && !['_', '--', ...lists].includes(name)) {
        args[name] = value.at(-1);
      }
    }
  };
}

/**
 * What is wrong with the common arguments, or true.
 * @param texts arguments that must not be empty where they are given: `--option`, or a positional's name
 */
export function atRestProblem<Arguments extends AtRestArguments>(
  args: Arguments,
  texts: readonly string[],
): string | true {
  const { heads, threads } = args;
  for (const name of texts) {
    const value = (args as unknown as Record<string, unknown>)[name.replace('--', '')];
    if ([value].flat().includes('')) {
      return `${name} must not be empty`;
    }
  }
  if (heads !== undefined && namesIn(heads).includes('')) {
    return '--heads must be names separated by commas';
  }
  return (Number.isInteger(threads) && threads >= 1) || '--threads must be a whole number from 1';
}

/** The common arguments as the library takes them, findings and progress told on standard error. */
export function atRestOptions({ heads, threads }: AtRestArguments): {
  heads: readonly string[];
  threads: number;
  onFindings: (findings: readonly Finding[]) => void;
  onProgress: (done: number, total: number) => void;
  close: () => void;
} {
  const progress = new WorkProgress(
    process.stderr,
    (done, total) => `${millions(done)} of ${millions(total)} M parameters`,
  );
  const began = performance.now();
  return {
    heads: heads === undefined ? [] : namesIn(heads),
    threads,
    onFindings: (findings) => {
      for (const { severity, model, text } of findings) {
        tell(`${severity}: ${plain(`${model}: ${text}`)}`);
      }
    },
    onProgress: (done, total) => {
      // what is over at once needs no bar
      if (performance.now() - began > QUIET_MS) {
        progress.show({ done, total });
      }
    },
    close: () => progress.close(),
  };
}

function millions(count: number): string {
  return (count / 1e6).toFixed(1);
}
