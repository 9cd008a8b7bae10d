import { mean } from '../../../src/fingerprint/statistics.js';
import type { NumberedRow } from '../../../src/fingerprint/table.js';
import {
  CALIBRATION_SIZES,
  type CalibrationSize,
  type Evaluated,
  type ZooPair,
  type ZooTable,
} from './zoo-table.js';

/**
 * `probe`: the merged model itself. `probes`: the models merged by every method of the table, the mean over them.
 * `selfProbe`: base + 0.5 tau of each model alone.
 */
export type ProbeKind = (typeof KINDS)[number];
const KINDS = ['probe', 'probes', 'selfProbe'] as const;

/**
 * A measurement of a pair on calibration samples, as the name of a column. `accuracy`: accuracy over that of the
 * task's own model, as the outcome is. `loss`: what the loss is better than that of the own model, over the own
 * accuracy too: where a model is right half of the time, losing a tenth of that takes half the loss. It does not come
 * in steps, which makes it the better one on few samples. That it is relative to the own accuracy was decided on the
 * outcomes of an early pool of seed 0 (own accuracies from 0.4 on), where a line of it was off by 2.9 points and one of
 * exp(-loss difference) by 4.9; on synthetic zoos the two are alike. No other measurement was chosen on real outcomes. Both are the mean over the two sides, as the outcome is:
 * who is called A must not matter.
 */
export function measurementName(kind: ProbeKind, size: CalibrationSize, measure: Measure): string {
  return `${kind}${size} ${measure}`;
}

export const MEASURES = ['accuracy', 'loss'] as const;
export type Measure = (typeof MEASURES)[number];

export const MEASUREMENTS: readonly string[] = KINDS.flatMap((kind) =>
  CALIBRATION_SIZES.flatMap((size) => MEASURES.map((measure) => measurementName(kind, size, measure))),
);

/**
 * Every pair of a table with its metrics, what was measured of it on calibration samples, and its real outcome: the
 * normalised accuracy on test images. A number that is not finite (an own accuracy of 0) is null.
 */
export function pairRows(table: ZooTable, method: string): NumberedRow[] {
  return table.pairs.map((pair, id) => ({
    id,
    taskA: pair.a,
    taskB: pair.b,
    metrics: { ...pair.metrics, ...measurementsOf(table, pair, method) },
    outcomes: { [method]: finiteOrNull(mean(directionalOutcomes(table, pair, method))) },
    selfProbe: null,
  }));
}

/** Normalised accuracy of each side, A and then B. */
export function directionalOutcomes({ own }: ZooTable, { a, b, merges }: ZooPair, method: string): number[] {
  const merged = merges[method];
  return [merged.a.test.accuracy / own[a].test.accuracy, merged.b.test.accuracy / own[b].test.accuracy];
}

function measurementsOf({ own, half }: ZooTable, { a, b, merges }: ZooPair, method: string) {
  const models = {
    probe: [merges[method]],
    probes: Object.values(merges),
    selfProbe: [{ a: half[a], b: half[b] }],
  };
  const measured: Record<string, number | null> = {};
  for (const kind of KINDS) {
    for (const size of CALIBRATION_SIZES) {
      const sides = models[kind].flatMap((model) => [
        [model.a.calibration[size], own[a].calibration[size]] as const,
        [model.b.calibration[size], own[b].calibration[size]] as const,
      ]);
      for (const measure of MEASURES) {
        const value = mean(sides.map(([probed, alone]) => MEASURE[measure](probed, alone)));
        measured[measurementName(kind, size, measure)] = finiteOrNull(value);
      }
    }
  }
  return measured;
}

const MEASURE: Readonly<Record<Measure, (probed: Evaluated, own: Evaluated) => number>> = {
  accuracy: (probed, own) => probed.accuracy / own.accuracy,
  loss: (probed, own) => (own.loss - probed.loss) / own.accuracy,
};

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
