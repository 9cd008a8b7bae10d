import { MergeguardError, messageOf } from '../tensors/index.js';
import { mapWithin } from '../threads/index.js';
import type { Evaluator, Made, Outcome } from './evaluator.js';
import { isNoRoom, type Journal, writeError } from './journal.js';
import { oneLine } from './one-line.js';
import type { Job, PlannedEvaluation } from './plan.js';

export interface MeasureOptions {
  readonly evaluator: Evaluator;
  readonly journal: Journal;
  readonly signal?: AbortSignal | undefined;
  /** after every evaluation */
  readonly onEvaluation: (evaluation: PlannedEvaluation) => void;
}

/** What is not in the journal yet, or failed the last time. */
export function missing(jobs: readonly Job[], journal: Journal): Job[] {
  return jobs
    .map(({ subject, evaluations }) => ({
      subject,
      evaluations: evaluations.filter(({ key }) => journal.get(key)?.kind !== 'evaluation'),
    }))
    .filter(({ evaluations }) => evaluations.length > 0);
}

/**
 * Makes and evaluates what is missing, several at a time. Results and failures go into the journal one by one.
 * @throws MergeguardError where there is no room for a model or the journal can't be written; what was begun ends first
 */
export async function measure(jobs: readonly Job[], options: MeasureOptions): Promise<void> {
  const { evaluator, journal, signal } = options;
  const budget = { budget: evaluator.concurrency, weight: () => 1 };
  await mapWithin(missing(jobs, journal), budget, async (job) => {
    signal?.throwIfAborted();
    try {
      await measureJob(job, options);
    } catch (error) {
      // What a stop leaves undone is no failure of it.
      signal?.throwIfAborted();
      throw error;
    }
  });
}

async function measureJob({ subject, evaluations }: Job, options: MeasureOptions): Promise<void> {
  const { evaluator, signal } = options;
  let made: Made;
  try {
    made = await evaluator.make(subject);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof MergeguardError)) {
      throw error;
    }
    if (isNoRoom(error)) {
      throw writeError('a merged model', error);
    }
    for (const evaluation of evaluations) {
      await record(
        evaluation,
        { failure: `it can not be made: ${messageOf(error)}`, errors: [] },
        0,
        options,
      );
    }
    return;
  }
  try {
    for (const evaluation of evaluations) {
      const began = performance.now();
      const outcome = await made.evaluate(evaluation.model);
      await record(evaluation, outcome, (performance.now() - began) / 1000, options);
    }
  } finally {
    await made.discard();
  }
}

async function record(
  evaluation: PlannedEvaluation,
  outcome: Outcome,
  seconds: number,
  { journal, onEvaluation }: MeasureOptions,
): Promise<void> {
  const { key, about } = evaluation;
  const common = { key, time: new Date().toISOString(), ...about };
  await journal.add(
    'accuracy' in outcome
      ? { kind: 'evaluation', ...common, accuracy: outcome.accuracy, seconds: Number(seconds.toFixed(3)) }
      : { kind: 'failure', ...common, reason: oneLine(outcome.failure), errors: outcome.errors },
  );
  onEvaluation(evaluation);
}
