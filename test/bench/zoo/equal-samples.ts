import type { MethodAnalysis } from './analyse-method.js';
import { bootstrapGain, type Gain } from './gain.js';
import { EQUAL_SAMPLES } from './predictors.js';

export interface SampleGain extends Gain {
  /** calibration samples a task that both were given */
  readonly samples: number;
}

/**
 * The probe against everything at the same number of samples; those that could be computed.
 *
 * @param analyses one a seed, of one merge method or several: a task's pairs by several are drawn together, as its seeds are
 */
export function equalSampleGains(analyses: readonly MethodAnalysis[], resamples: number): SampleGain[] {
  return EQUAL_SAMPLES.flatMap(({ samples, probe, all }) => {
    const both = analyses.flatMap(({ predicted }) =>
      predicted[probe] && predicted[all]
        ? { before: predicted[probe].heldOut, after: predicted[all].heldOut }
        : [],
    );
    return both.length === 0 ? [] : { samples, ...bootstrapGain(both, resamples) };
  });
}
