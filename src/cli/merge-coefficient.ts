import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type MergedFile,
  type MergedOnce,
  type MergeOnceOptions,
  MergeOverflowError,
  mergeOnce,
} from '../at-rest/index.js';
import { evaluateCommand, LONGEST_SECONDS, templateProblems } from '../calibrate/index.js';
import { type NoOutcome, searchCoefficient } from '../merging/index.js';
import { namesIn } from './fit-input.js';
import { outcomeText, type SearchedCoefficient, type TaskAccuracies } from './merge-text.js';
import { tell } from './print.js';
import { plain } from './text.js';

/** Factors beyond this make no merge of anything. */
const LARGEST = 10;

export const COEFFICIENT_OPTIONS = {
  coefficient: {
    type: 'number',
    requiresArg: true,
    describe: 'Factor on the merged task vector, beside the parameters of the method [default: 1]',
  },
  'search-coefficient': {
    type: 'boolean',
    default: false,
    describe: 'Take the factor that is best on --tasks by --evaluate',
  },
  evaluate: {
    type: 'string',
    requiresArg: true,
    describe:
      'Command for the shell that prints the accuracy of {checkpoint} on {task}, 0 to 1, as its last number',
  },
  tasks: { type: 'string', requiresArg: true, describe: 'What {task} stands for, comma-separated' },
  'time-limit-seconds': {
    type: 'number',
    requiresArg: true,
    default: 600,
    describe: 'An evaluation that takes longer is stopped and counts as failed',
  },
} as const;

export interface CoefficientArguments {
  coefficient: number | undefined;
  'search-coefficient': boolean;
  evaluate: string | undefined;
  tasks: string | undefined;
  'time-limit-seconds': number;
}

/** How a coefficient is searched. */
interface Evaluation {
  readonly command: string;
  readonly tasks: readonly string[];
  readonly timeLimitSeconds: number;
}

export interface MergeWithBestOptions extends Omit<MergeOnceOptions, 'tau'> {
  readonly out: string;
  /** when the models are merged, before the first evaluation */
  readonly onMerged: () => void;
}

/** What is wrong with the arguments, or true. */
export function coefficientProblem(args: CoefficientArguments): string | true {
  const { coefficient, evaluate, tasks } = args;
  const isSearched = args['search-coefficient'];
  const timeLimitSeconds = args['time-limit-seconds'];
  if (coefficient !== undefined && !(coefficient >= 0 && coefficient <= LARGEST)) {
    return `--coefficient must be a number from 0 to ${LARGEST}`;
  }
  if (!isSearched) {
    const given = Object.entries({ evaluate, tasks }).find(([, value]) => value !== undefined);
    return given === undefined || `--${given[0]} is for --search-coefficient: give that too`;
  }
  if (coefficient !== undefined) {
    return 'give --coefficient or --search-coefficient, not both';
  }
  if (!evaluate || !tasks) {
    return '--search-coefficient needs --evaluate COMMAND and --tasks A,B';
  }
  const names = namesIn(tasks);
  if (names.includes('') || new Set(names).size < names.length) {
    return '--tasks must be different names separated by commas';
  }
  if (!(timeLimitSeconds > 0 && timeLimitSeconds <= LONGEST_SECONDS)) {
    return `--time-limit-seconds must be a number above 0, at most ${LONGEST_SECONDS}`;
  }
  const problems = templateProblems(evaluate);
  return problems.length === 0 || `--evaluate: ${problems.join('; ')}`;
}

/** What the arguments ask for; null where the coefficient is not searched. */
export function evaluationOf(args: CoefficientArguments): Evaluation | null {
  return args['search-coefficient']
    ? {
        command: args.evaluate!,
        tasks: namesIn(args.tasks!),
        timeLimitSeconds: args['time-limit-seconds'],
      }
    : null;
}

/**
 * Merges once, evaluates the merge with one coefficient after the other, each as a checkpoint of its own that is removed again, and writes
 * it with the best. Beside the file that is written there are a merged task vector in float32 and one checkpoint at a time, in a folder
 * beside it that is removed however it ends.
 * @throws MergeguardError where the merge as it is can not be made or evaluated
 */
export async function mergeWithBest(
  { out, onMerged, ...options }: MergeWithBestOptions,
  evaluation: Evaluation,
): Promise<{ merged: MergedFile; search: SearchedCoefficient }> {
  const folder = await mkdtemp(`${out}.search-`);
  try {
    return await mergeOnce({ ...options, tau: join(folder, 'tau.safetensors') }, async ({ write }) => {
      onMerged();
      let count = 0;
      const search = await searchCoefficient(async (coefficient) => {
        // Programs may remember what they have read by its path.
        const checkpoint = join(folder, `candidate-${count++}.safetensors`);
        const problem = await overflowOf(write, checkpoint, coefficient);
        const outcome = problem ?? (await accuraciesOf(checkpoint, evaluation, options.signal));
        await rm(checkpoint, { force: true });
        tell(plain(`coefficient ${coefficient}: ${outcomeText(outcome)}`));
        return outcome;
      });
      const merged = await write(out, search.best.coefficient);
      return { merged, search: { ...search, tasks: evaluation.tasks } };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Writes a candidate. Far from 1 values may be too large for the file's dtype, which says nothing of the other coefficients.
 * @returns why there is none of this coefficient; null where it is written
 * @throws MergeguardError where the merge at 1 has such values, or the file can not be written
 */
async function overflowOf(
  write: MergedOnce['write'],
  checkpoint: string,
  coefficient: number,
): Promise<NoOutcome | null> {
  try {
    await write(checkpoint, coefficient);
    return null;
  } catch (error) {
    if (coefficient !== 1 && error instanceof MergeOverflowError) {
      return { failure: error.message };
    }
    throw error;
  }
}

/** Of a checkpoint on every task, one after the other, up to the first that fails. */
async function accuraciesOf(
  checkpoint: string,
  { command, tasks, timeLimitSeconds }: Evaluation,
  signal: AbortSignal | undefined,
): Promise<TaskAccuracies | NoOutcome> {
  const accuracies: number[] = [];
  for (const task of tasks) {
    const options = { folder: process.cwd(), timeLimitSeconds, signal };
    const outcome = await evaluateCommand(command, { checkpoint, task }, options);
    if ('failure' in outcome) {
      for (const line of outcome.errors) {
        tell(`  ${plain(line)}`);
      }
      return { failure: `${task}: ${outcome.failure}` };
    }
    accuracies.push(outcome.accuracy);
  }
  const accuracy = accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length;
  return { accuracies, accuracy, loss: null };
}
