import type { MethodFigures } from './method-figures.js';
import { PREDICTOR_NAMES, type PredictorName } from './predictors.js';
import type { ZooReport } from './zoo-report.js';

type Nullable = number | null;

/** The last line of `bench:zoo --json`: accuracies and errors in points, null where a figure could not be computed. */
export interface ZooJson {
  readonly methods: Readonly<Record<string, MethodJson>>;
}

export type MethodJson = { readonly truth: { readonly mean: Nullable; readonly sd: Nullable } } & {
  readonly [name in PredictorName]: {
    readonly r: Nullable;
    readonly pooledR: Nullable;
    readonly mae: Nullable;
  };
};

export function reportJson({ methods }: ZooReport): ZooJson {
  return {
    methods: Object.fromEntries(
      Object.entries(methods).map(([method, figures]) => [method, methodJson(figures)]),
    ),
  };
}

function methodJson({ truth, predictors }: MethodFigures): MethodJson {
  const entries = PREDICTOR_NAMES.map((name) => {
    const figures = predictors[name];
    return [
      name,
      {
        r: figures?.r.mean ?? null,
        pooledR: figures?.pooledR.mean ?? null,
        mae: inPoints(figures?.mae.mean ?? null),
      },
    ];
  });
  const inTruth = { mean: inPoints(truth.mean.mean), sd: inPoints(truth.sd.mean) };
  return { truth: inTruth, ...Object.fromEntries(entries) };
}

function inPoints(fraction: Nullable): Nullable {
  return fraction === null ? null : 100 * fraction;
}
