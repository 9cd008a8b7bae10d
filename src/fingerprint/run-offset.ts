/** One merge probe held against what the fingerprint predicted at that moment, in normalised accuracy. */
export interface ProbeResidual {
  readonly reference: string;
  /** observed minus predicted, the prediction being the one without any probe */
  readonly difference: number;
  /** of the observation, from the number of samples */
  readonly samplingVariance: number;
}

/** What is known of a prediction's error before any probe. */
export interface ErrorPrior {
  /** variance of what the whole run is off by: the live task's own effect, which no fit knows */
  readonly offset: number;
  /** variance of what one reference is off by beside that */
  pair(reference: string): number;
}

export interface Correction {
  /** to be added to the prediction */
  readonly shift: number;
  /** of the corrected prediction's error; offset + pair(reference) without probes */
  readonly variance: number;
}

/**
 * Corrects a prediction by the merge probes of its run, and says what it is still off by.
 *
 * The error of the prediction for reference r is d + p_r: d ~ N(0, offset) is the same for the whole run, p_r ~
 * N(0, pair(r)) is the reference's own. A probe of r observes d + p_r with its sampling variance b. All is normal, so
 * d has the precision-weighted mean of the observations, each with variance pair + b, and of the prior at zero; for a
 * reference that was itself probed, the part pair / (pair + b) of what its observation still differs is its own.
 * O(number of probes).
 *
 * Sampling errors are taken as independent. Those of one run share the live task's samples, about half of each, so with
 * many references the interval is somewhat too narrow.
 *
 * @param probes one a reference, of one merge method
 */
export function correctByProbes(
  probes: readonly ProbeResidual[],
  prior: ErrorPrior,
  reference: string,
): Correction {
  let precision = 1 / Math.max(prior.offset, Number.MIN_VALUE);
  let weighted = 0;
  for (const probe of probes) {
    const variance = prior.pair(probe.reference) + probe.samplingVariance;
    precision += 1 / variance;
    weighted += probe.difference / variance;
  }
  const offset = weighted / precision;
  const own = probes.find((probe) => probe.reference === reference);
  const pair = prior.pair(reference);
  if (own === undefined) {
    return { shift: offset, variance: 1 / precision + pair };
  }
  const share = pair / (pair + own.samplingVariance);
  return {
    shift: offset + share * (own.difference - offset),
    variance: (1 - share) ** 2 / precision + share * own.samplingVariance,
  };
}

/**
 * Sampling variance of an accuracy over n samples. One more of each outcome than was seen (Agresti and Coull's
 * idea): 32 right of 32 is no proof that none is ever wrong.
 */
export function samplingVariance(accuracy: number, samples: number): number {
  const rate = (accuracy * samples + 1) / (samples + 2);
  return (rate * (1 - rate)) / (samples + 2);
}
