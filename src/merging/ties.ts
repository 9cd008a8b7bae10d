import { z } from 'zod';
import { MagnitudeThreshold } from './magnitude-threshold.js';
import { defineMethod, type Survey, type TensorToMerge } from './merge-method.js';

interface Known {
  /** [k] magnitude from which on a value is kept, by model; null where each tensor has thresholds of its own */
  readonly thresholds: readonly number[] | null;
  /** sign that most coordinates have: 1 or -1 */
  readonly majority: number;
}

/**
 * Trim, elect signs, merge. Each task vector, as one flat vector over all tensors or tensor by tensor (`trim`), keeps
 * the values not smaller than its floor(density * n)-th largest magnitude (at least one; all values equal to the
 * threshold stay, so the outcome does not depend on any order). The sign of a coordinate is that of the sum of what is
 * left; where the sum is exactly zero, the sign that most coordinates of the whole model have, positive if there is
 * none. The merged value is the mean of the kept values of that sign. O(n k), in four passes; two where `trim` is
 * `tensor`.
 */
export const ties = defineMethod({
  name: 'ties',
  parameters: z.strictObject({
    coefficient: z.number().min(0).max(2).default(1).describe('factor on the merged task vector'),
    density: z
      .number()
      .gt(0)
      .max(1)
      .default(0.2)
      .describe('fraction of its values, the largest in magnitude, that each task vector keeps'),
    trim: z
      .enum(['model', 'tensor'])
      .default('model')
      .describe('what the fraction is of: the values of the whole model, or of each tensor'),
  }),
  idParameter: 'coefficient',
  source:
    'Yadav et al. 2023, arXiv 2306.01708, trimming over the flattened vector as in its code; mergekit and the code of arXiv 2601.22285 trim tensor by tensor, the latter with coefficient 0.3',
  elementwise: ({ trim }) => trim === 'model',
  survey: ({ density, trim }) => (trim === 'tensor' ? new SignSurvey(density) : new TiesSurvey(density)),
  mergeTensor({ taus }, { coefficient, density }, { thresholds, majority }: Known) {
    const kept = thresholds ?? ownThresholds(taus, density);
    const out = new Float32Array(taus[0]!.length);
    for (let i = 0; i < out.length; i++) {
      out[i] = coefficient * disjointMean(taus, kept, i, majority);
    }
    return out;
  },
});

/** Thresholds over all tensors, then the signs. */
class TiesSurvey implements Survey<Known> {
  readonly passes = 3;
  readonly #density: number;
  #models: readonly MagnitudeThreshold[] = [];
  #thresholds: readonly number[] | null = null;
  #balance = 0;
  #pass = 0;

  constructor(density: number) {
    this.#density = density;
  }

  visit({ taus }: TensorToMerge, pass: number): void {
    if (this.#models.length === 0) {
      this.#models = taus.map(() => new MagnitudeThreshold());
    }
    if (pass > this.#pass) {
      this.#begin(pass);
    }
    if (pass < 2) {
      this.#models.forEach((model, m) => {
        const values = taus[m]!;
        if (pass === 0) {
          model.addUpper(values);
        } else {
          model.addLower(values);
        }
      });
      return;
    }
    this.#balance += signBalance(taus, this.#thresholds!);
  }

  #begin(pass: number): void {
    this.#pass = pass;
    if (pass === 1) {
      for (const model of this.#models) {
        model.choose(keptOf(model.count, this.#density));
      }
    } else {
      this.#thresholds = this.#models.map((model) => model.value());
    }
  }

  result(): Known {
    return { thresholds: this.#thresholds ?? [], majority: majorityOf(this.#balance) };
  }
}

/** The signs alone, where each tensor is trimmed by itself. */
class SignSurvey implements Survey<Known> {
  readonly passes = 1;
  readonly #density: number;
  #balance = 0;

  constructor(density: number) {
    this.#density = density;
  }

  visit({ taus }: TensorToMerge): void {
    this.#balance += signBalance(taus, ownThresholds(taus, this.#density));
  }

  result(): Known {
    return { thresholds: null, majority: majorityOf(this.#balance) };
  }
}

/** How many of n values are kept. */
function keptOf(count: number, density: number): number {
  return Math.max(1, Math.floor(density * count));
}

/** [k] the thresholds of one tensor by itself. */
function ownThresholds(taus: readonly Float32Array[], density: number): number[] {
  return taus.map((tau) => {
    const threshold = new MagnitudeThreshold();
    threshold.addUpper(tau);
    threshold.choose(keptOf(threshold.count, density));
    threshold.addLower(tau);
    return threshold.value();
  });
}

/** How many coordinates of this tensor have a positive trimmed sum, less those with a negative one. */
function signBalance(taus: readonly Float32Array[], thresholds: readonly number[]): number {
  let balance = 0;
  for (let i = 0; i < taus[0]!.length; i++) {
    balance += Math.sign(trimmedSum(taus, thresholds, i));
  }
  return balance;
}

function majorityOf(balance: number): number {
  return balance < 0 ? -1 : 1;
}

/** Sum of the trimmed values of coordinate i. */
function trimmedSum(taus: readonly Float32Array[], thresholds: readonly number[], i: number): number {
  let sum = 0;
  for (let m = 0; m < taus.length; m++) {
    const value = taus[m]![i]!;
    if (Math.abs(value) >= thresholds[m]!) {
      sum += value;
    }
  }
  return sum;
}

/** Mean of the trimmed values of coordinate i that have the elected sign; 0 where there are none. */
function disjointMean(
  taus: readonly Float32Array[],
  thresholds: readonly number[],
  i: number,
  majority: number,
): number {
  const sign = Math.sign(trimmedSum(taus, thresholds, i)) || majority;
  let sum = 0;
  let count = 0;
  for (let m = 0; m < taus.length; m++) {
    const value = taus[m]![i]!;
    if (value * sign > 0 && Math.abs(value) >= thresholds[m]!) {
      sum += value;
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count;
}
