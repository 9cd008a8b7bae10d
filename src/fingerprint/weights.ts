import type { MethodFingerprint, Variant } from './schema.js';

export type Weights = ReadonlyMap<string, number>;

/** Of the program with effects, by metric: those that carry weight, largest first; of equals, by name. */
export function weightsOf({ features }: Variant): Weights {
  return ordered(features.map(({ name, weight }) => [name, weight]));
}

/** The same of the program without effects, as the study's fingerprints are; empty where there is none. */
export function metricsOnlyWeights({ metricsOnly }: Variant): Weights {
  return ordered(Object.entries(metricsOnly?.weights ?? {}));
}

/** The variant with most features; of equals the better one. */
export function richestVariant({ variants }: MethodFingerprint): Variant {
  return variants.reduce((best, each) => (each.features.length > best.features.length ? each : best));
}

function ordered(weights: readonly (readonly [string, number])[]): Weights {
  return new Map(
    weights
      .filter(([, weight]) => weight !== 0)
      .sort(([nameA, a], [nameB, b]) => Math.abs(b) - Math.abs(a) || (nameA < nameB ? -1 : 1)),
  );
}
