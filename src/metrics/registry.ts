import { listProblems, MergeguardError } from '../tensors/index.js';
import { ACTIVATION_METRICS } from './activation.js';
import { EFFECTIVE_RANK_METRICS } from './effective-rank.js';
import { GRADIENT_METRICS } from './gradient.js';
import type { Metric, MetricValue, PairMetrics } from './metric.js';
import {
  FUNCTIONAL_WIDTH,
  PAIR_WIDTH,
  type PairStatistics,
  SIDE_WIDTH,
  TURN_WIDTH,
} from './pair-statistics.js';
import { SUBSPACE_METRICS } from './subspace.js';
import { TASK_VECTOR_METRICS } from './task-vector.js';

/** All 28 metrics of the study, family by family. Adding a family is adding a file and a line here. */
export const METRICS: readonly Metric[] = [
  ...TASK_VECTOR_METRICS,
  ...EFFECTIVE_RANK_METRICS,
  ...SUBSPACE_METRICS,
  ...ACTIVATION_METRICS,
  ...GRADIENT_METRICS,
];

export const metricNames: readonly string[] = METRICS.map(({ name }) => name);

/** The metric of that name; an unknown name is an error that lists the known ones. */
export function metric(name: string): Metric {
  const found = METRICS.find((entry) => entry.name === name);
  if (found === undefined) {
    throw new MergeguardError(`unknown metric "${name}"; known are ${metricNames.join(', ')}`);
  }
  return found;
}

/**
 * Every metric of the live model and the reference at `referenceIndex` (0..R-1), a number or null with the
 * reason. Throws only when the arrays of `statistics` do not have the lengths that its R and T ask for, or the
 * index is not one of its references.
 */
export function computePairMetrics(statistics: PairStatistics, referenceIndex: number): PairMetrics {
  checkLengths(statistics, referenceIndex);
  const values: Record<string, MetricValue> = {};
  for (const entry of METRICS) {
    values[entry.name] = entry.compute(statistics, referenceIndex);
  }
  return values;
}

function checkLengths(statistics: PairStatistics, referenceIndex: number): void {
  const references = statistics.references.length;
  const tensors = statistics.tensors.length;
  const problems: string[] = [];
  if (!Number.isInteger(referenceIndex) || referenceIndex < 0 || referenceIndex >= references) {
    problems.push(`reference ${referenceIndex} was asked for, there are ${references}, counted from 0`);
  }
  const lengths = [
    ['pair', statistics.pair.length, references * tensors * PAIR_WIDTH],
    ['live', statistics.live.length, tensors * SIDE_WIDTH],
    ['ref', statistics.ref.length, references * tensors * SIDE_WIDTH],
    ['functional', statistics.functional.length, references * FUNCTIONAL_WIDTH],
    ['referenceAbsent', statistics.referenceAbsent.length, references],
    ['referenceGradients', statistics.referenceGradients.length, references],
    ['turns.measuredAt', statistics.turns?.measuredAt.length ?? references, references],
    [
      'turns.live',
      statistics.turns?.live.length ?? references * tensors * TURN_WIDTH,
      references * tensors * TURN_WIDTH,
    ],
  ] as const;
  for (const [name, found, expected] of lengths) {
    if (found !== expected) {
      problems.push(`${name} has ${found} entries, ${expected} are due`);
    }
  }
  if (problems.length > 0) {
    const heading = `the statistics of ${references} references and ${tensors} tensors can't be read:`;
    throw new MergeguardError(listProblems(heading, problems));
  }
}
