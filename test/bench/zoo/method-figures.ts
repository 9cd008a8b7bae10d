import type { HeldOut } from '../../../src/fingerprint/cross-validate.js';
import { figuresOf } from '../../../src/fingerprint/figures.js';
import { correlation, deviation, mean, quantile } from '../../../src/fingerprint/statistics.js';
import { type OverSeeds, overSeeds } from '../common/over-seeds.js';
import type { MethodAnalysis } from './analyse-method.js';
import { equalSampleGains, type SampleGain } from './equal-samples.js';

/** Fractions, not points. */
export interface PredictorFigures {
  /** correlation inside a fold, mean over the folds */
  readonly r: OverSeeds;
  /** correlation over all held-out pairs */
  readonly pooledR: OverSeeds;
  /** mean absolute error */
  readonly mae: OverSeeds;
  /** how often the interval of the level would have held */
  readonly coverage: OverSeeds;
}

export interface MethodFigures {
  /** normalised accuracy of the pairs on test images */
  readonly truth: { readonly mean: OverSeeds; readonly sd: OverSeeds };
  /** by predictor; one that no seed could fit is not here */
  readonly predictors: Readonly<Record<string, PredictorFigures>>;
  /** r of metrics alone with the metrics of the wrong tasks, mean over the seeds; null where none could be fitted */
  readonly null: { readonly count: number; readonly meanR: number; readonly r95: number } | null;
  /** the probe against everything at the same number of samples; those that could be computed */
  readonly gains: readonly SampleGain[];
  /** what was left out */
  readonly notes: readonly { readonly seed: number; readonly text: string }[];
}

/** @param analyses of one method, one a seed */
export function methodFigures(analyses: readonly MethodAnalysis[], resamples: number): MethodFigures {
  const names = [...new Set(analyses.flatMap(({ predicted }) => Object.keys(predicted)))];
  const figures = names.map((name): [string, PredictorFigures] => {
    const each = analyses.flatMap(({ predicted }) => predicted[name] ?? []);
    const loto = each.map(({ heldOut }) => figuresOf(heldOut));
    return [
      name,
      {
        r: overSeeds(loto.map(({ r }) => r)),
        pooledR: overSeeds(each.map(({ heldOut }) => pooledCorrelation(heldOut))),
        mae: overSeeds(loto.map(({ mae }) => mae)),
        coverage: overSeeds(each.map(({ coverage }) => coverage)),
      },
    ];
  });
  const truths = analyses.map((analysis) => analysis.truths).filter((values) => values.length > 0);
  return {
    truth: { mean: overSeeds(truths.map(mean)), sd: overSeeds(truths.map(deviation)) },
    predictors: Object.fromEntries(figures),
    null: nullOf(analyses),
    gains: equalSampleGains(analyses, resamples),
    notes: analyses.flatMap(({ seed, notes }) => notes.map((text) => ({ seed, text }))),
  };
}

/** Relabelling k of every seed together are one draw of the null of their mean. */
function nullOf(analyses: readonly MethodAnalysis[]): MethodFigures['null'] {
  const count = Math.min(...analyses.map(({ relabelled }) => relabelled.length));
  const draws = Array.from({ length: count }, (_, k) =>
    overSeeds(analyses.map(({ relabelled }) => relabelled[k])),
  );
  const rs = draws.flatMap((draw) => draw.mean ?? []);
  return rs.length === 0 ? null : { count: rs.length, meanR: mean(rs), r95: quantile(rs, 0.95) };
}

function pooledCorrelation(heldOut: readonly HeldOut[]): number | null {
  return correlation(
    heldOut.map(({ predicted }) => predicted),
    heldOut.map(({ example }) => example.outcome),
  );
}
