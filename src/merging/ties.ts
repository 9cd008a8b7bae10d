import { z } from 'zod';
import type { HostTensor, NamedTensors } from '../tensors/index.js';
import { checkTaus } from './check-taus.js';
import { magnitudeThreshold } from './magnitude-threshold.js';
import { type MergeMethod, readParameters } from './merge-method.js';

const parameters = z.strictObject({
  coefficient: z.number().min(0).max(2).default(1).describe('factor on the merged task vector'),
  density: z
    .number()
    .gt(0)
    .max(1)
    .default(0.2)
    .describe('fraction of its values, the largest in magnitude, that each task vector keeps'),
});

/**
 * Trim, elect signs, merge. Each task vector, as one flat vector over all tensors, keeps the values not smaller
 * than its floor(density * n)-th largest magnitude (at least one; all values equal to the threshold stay, so the
 * outcome does not depend on the order of tensors). The sign of a coordinate is that of the sum of what is left;
 * where the sum is exactly zero, the sign that most coordinates have, positive if there is none. The merged value
 * is the mean of the kept values of that sign.
 */
export const ties: MergeMethod = {
  name: 'ties',
  parameters,
  idParameter: 'coefficient',
  source:
    'Yadav et al. 2023, arXiv 2306.01708, trimming over the flattened vector as in its code; the code of arXiv 2601.22285 trims tensor by tensor, with coefficient 0.3',
  merge(taus, given = {}) {
    const { coefficient, density } = readParameters('ties', parameters, given);
    checkTaus(taus);
    const thresholds = taus.map((tau) => threshold(tau, density));
    const majority = majoritySign(taus, thresholds);
    const merged = new Map<string, HostTensor>();
    for (const [name, { shape, data }] of taus[0]!) {
      const columns = taus.map((tau) => tau.get(name)!.data);
      const out = new Float32Array(data.length);
      for (let i = 0; i < out.length; i++) {
        out[i] = coefficient * disjointMean(columns, thresholds, i, majority);
      }
      merged.set(name, { shape, data: out });
    }
    return merged;
  },
};

function threshold(tau: NamedTensors, density: number): number {
  let values = 0;
  for (const { data } of tau.values()) {
    values += data.length;
  }
  return values === 0 ? 0 : magnitudeThreshold(tau, Math.max(1, Math.floor(density * values)));
}

/** Sum of the trimmed values of coordinate i. */
function trimmedSum(columns: readonly Float32Array[], thresholds: readonly number[], i: number): number {
  let sum = 0;
  for (let m = 0; m < columns.length; m++) {
    const value = columns[m]![i]!;
    if (Math.abs(value) >= thresholds[m]!) {
      sum += value;
    }
  }
  return sum;
}

function majoritySign(taus: readonly NamedTensors[], thresholds: readonly number[]): number {
  let balance = 0;
  for (const [name, { data }] of taus[0]!) {
    const columns = taus.map((tau) => tau.get(name)!.data);
    for (let i = 0; i < data.length; i++) {
      balance += Math.sign(trimmedSum(columns, thresholds, i));
    }
  }
  return balance < 0 ? -1 : 1;
}

/** Mean of the trimmed values of coordinate i that have the elected sign; 0 where there are none. */
function disjointMean(
  columns: readonly Float32Array[],
  thresholds: readonly number[],
  i: number,
  majority: number,
): number {
  const sign = Math.sign(trimmedSum(columns, thresholds, i)) || majority;
  let sum = 0;
  let count = 0;
  for (let m = 0; m < columns.length; m++) {
    const value = columns[m]![i]!;
    if (value * sign > 0 && Math.abs(value) >= thresholds[m]!) {
      sum += value;
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count;
}
