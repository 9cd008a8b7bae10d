import { type HeldOut, residuals } from './cross-validate.js';
import { rootMeanSquare } from './statistics.js';

/**
 * Share of the linear prediction when it is combined with the self-probe's by inverse variance; the rest is
 * the self-probe's. A deviation under 1e-4 (a hundredth of a point) is not believed.
 */
export function linearShare(linearDeviation: number, selfProbeDeviation: number): number {
  const linear = Math.max(linearDeviation, 1e-4) ** -2;
  const selfProbe = Math.max(selfProbeDeviation, 1e-4) ** -2;
  return linear / (linear + selfProbe);
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
