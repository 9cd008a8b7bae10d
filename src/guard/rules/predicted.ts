import type { Score } from '../events.js';

/** The accuracy that the rules judge by. */
export interface Predicted {
  /** `raw` where the live model's own accuracy is known: normalised accuracy rises when the model itself gets worse */
  readonly quantity: 'raw' | 'normalised';
  /** fraction */
  readonly value: number;
}

/** Predicted raw accuracy if known, else normalised; null where there is no prediction. */
export function predictedAccuracy(score: Score): Predicted | null {
  if (score.raw !== null) {
    return { quantity: 'raw', value: score.raw };
  }
  return score.value === null ? null : { quantity: 'normalised', value: score.value };
}

/** Said with every statement about a prediction that the fingerprint was not fitted for. */
export function domainNote(score: Score): string {
  return score.inDomain
    ? ''
    : ' The live metrics lie outside the domain of the fingerprint: take it as a hint.';
}
