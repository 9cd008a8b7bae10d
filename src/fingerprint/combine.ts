import { type HeldOut, residuals } from './cross-validate.js';
import { rootMeanSquare } from './statistics.js';

/** smaller deviations, a hundredth of a point, are not believed */
const LEAST_DEVIATION = 1e-4;

/** Shares, together 1, of predictions that are combined by inverse variance. */
export function inverseVarianceShares(deviations: readonly number[]): number[] {
  const weights = deviations.map((deviation) => Math.max(deviation, LEAST_DEVIATION) ** -2);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Share of the linear prediction when it is combined with the self-probe's; the rest is the self-probe's. */
export function linearShare(linearDeviation: number, selfProbeDeviation: number): number {
  return inverseVarianceShares([linearDeviation, selfProbeDeviation])[0];
}

/** LOTO predictions of both, combined, for the rows that both have; null where there are none. */
export function combine(linear: readonly HeldOut[], selfProbe: readonly HeldOut[]): HeldOut[] | null {
  const probes = new Map(selfProbe.map((probe) => [keyOf(probe), probe.predicted]));
  const both = linear.filter((each) => probes.has(keyOf(each)));
  if (both.length === 0) {
    return null;
  }
  const share = linearShare(rootMeanSquare(residuals(linear)), rootMeanSquare(residuals(selfProbe)));
  return both.map((each) => ({
    ...each,
    predicted: share * each.predicted + (1 - share) * (probes.get(keyOf(each)) as number),
  }));
}

function keyOf({ fold, example }: HeldOut): string {
  return JSON.stringify([fold, example.id]);
}
