import type { ProbedTask, ProbeEvent } from '../../../src/guard/index.js';
import type { Answers } from './task-samples.js';

/** What the merged model, and the task's own, answered on the same samples of a task. */
export interface TaskAnswers {
  readonly merged: Answers;
  readonly own: Answers;
}

/** The numbers of a `probe` event. */
export type ProbeNumbers = Required<
  Pick<
    ProbeEvent,
    | 'accuracy'
    | 'loss'
    | 'samples'
    | 'standardError'
    | 'lossStandardError'
    | 'normalised'
    | 'normalisedStandardError'
    | 'tasks'
  >
>;

/**
 * Accuracy, loss and normalised accuracy of a merge, the mean of both tasks each, with their standard errors.
 *
 * The tasks' samples are independent of each other, so variances add. Within a task, merged and own model are asked about the
 * same samples, and mostly fail on the same ones. With c_i = 1 where the merged model is right, d_i where the own one is, and r =
 * mean c / mean d, the error of r is to first order (delta method) mean(c_i - r d_i) / mean d, whose terms have the mean
 * zero: Var r = sum (c_i - r d_i)² / (n (n - 1)) / (mean d)². That is well below the error of two independent accuracies.
 */
export function probeNumbers(live: TaskAnswers, reference: TaskAnswers): ProbeNumbers {
  const both = [live, reference];
  const tasks = { live: summaryOf(live), reference: summaryOf(reference) };
  const summaries = [tasks.live, tasks.reference];
  const ratios = both.map(ratioOf);
  const isNormalised = ratios.every((ratio) => ratio !== null);
  return {
    accuracy: mean(summaries.map(({ accuracy }) => accuracy)),
    standardError: errorOfMean(both.map(({ merged: { correct } }) => varianceOfMean(correct))),
    loss: mean(summaries.map(({ loss }) => loss)),
    lossStandardError: errorOfMean(both.map(({ merged: { losses } }) => varianceOfMean(losses))),
    normalised: isNormalised ? mean(ratios.map(({ value }) => value)) : null,
    normalisedStandardError: isNormalised ? errorOfMean(ratios.map(({ variance }) => variance)) : null,
    samples: tasks.live.samples + tasks.reference.samples,
    tasks,
  };
}

function summaryOf({ merged, own }: TaskAnswers): ProbedTask {
  return {
    accuracy: mean(merged.correct),
    loss: mean(merged.losses),
    ownAccuracy: mean(own.correct),
    ownLoss: finite(mean(own.losses)),
    samples: merged.correct.length,
  };
}

/** Merged over own accuracy; null where the own model is never right. */
function ratioOf({ merged, own }: TaskAnswers): { value: number; variance: number } | null {
  const ownAccuracy = mean(own.correct);
  if (ownAccuracy === 0) {
    return null;
  }
  const value = mean(merged.correct) / ownAccuracy;
  const residuals = Float64Array.from(merged.correct, (right, i) => right - value * own.correct[i]);
  return { value, variance: varianceOfMean(residuals) / ownAccuracy ** 2 };
}

/** Of a model of its own that diverged nothing is known: an event holds no NaN. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i];
  }
  return sum / values.length;
}

/** Of the mean of independent values; of a single one nothing is known, and it is 0. */
function varianceOfMean(values: ArrayLike<number>): number {
  const count = values.length;
  const centre = mean(values);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += (values[i] - centre) ** 2;
  }
  return count < 2 ? 0 : sum / (count * (count - 1));
}

/** Of the mean of two independent numbers. */
function errorOfMean([first, second]: readonly number[]): number {
  return Math.sqrt(first + second) / 2;
}
