import { type ProbeResidual, samplingVariance } from '../fingerprint/index.js';
import type { ProbeEvent } from './events.js';

/**
 * The merge probes of a run, each held against what was predicted for its pair when it came; the last one of every
 * method and reference counts. One that comes before its pair was ever predicted waits for the first prediction.
 */
export class RunProbes {
  readonly #predictions = new Map<string, number>();
  readonly #waiting = new Map<string, ProbeEvent>();
  readonly #residuals = new Map<string, Map<string, ProbeResidual>>();

  /**
   * A probe without a normalised accuracy is for people to see; nothing predicted can be held against it.
   * @returns what keeps it from being used, or null
   */
  observe(probe: ProbeEvent): string | null {
    const { method, reference, accuracy, normalised, samples, standardError } = probe;
    if (normalised === null) {
      return null;
    }
    if (![accuracy, normalised, samples, standardError].every(Number.isFinite) || samples < 1) {
      return (
        `merge probe of ${method} with ${reference} not used: accuracy ${accuracy}, normalised ${normalised}, ` +
        `standard error ${standardError} on ${samples} samples`
      );
    }
    const predicted = this.#predictions.get(keyOf(method, reference));
    if (predicted !== undefined) {
      this.#settle(probe, normalised - predicted);
    } else if (this.#predictions.size > 0) {
      return `merge probe not used: ${method} with ${reference} is not predicted in this run`;
    } else {
      this.#waiting.set(keyOf(method, reference), probe);
    }
    return null;
  }

  /** What corrects the predictions of one method. */
  of(method: string): ProbeResidual[] {
    return [...(this.#residuals.get(method)?.values() ?? [])];
  }

  /**
   * Takes note of a prediction made without probes.
   * @returns whether a probe had waited for it, so that `of` has changed
   */
  predicted(method: string, reference: string, value: number): boolean {
    const key = keyOf(method, reference);
    this.#predictions.set(key, value);
    const probe = this.#waiting.get(key);
    if (probe?.normalised == null) {
      return false;
    }
    this.#waiting.delete(key);
    this.#settle(probe, probe.normalised - value);
    return true;
  }

  #settle(
    { method, reference, accuracy, normalised, samples, standardError }: ProbeEvent,
    difference: number,
  ) {
    // the error of the accuracy, in units of normalised accuracy
    const unit = accuracy > 0 && normalised !== null ? normalised / accuracy : 1;
    const variance = unit ** 2 * Math.max(samplingVariance(accuracy, samples), standardError ** 2);
    const ofMethod = this.#residuals.get(method) ?? new Map<string, ProbeResidual>();
    ofMethod.set(reference, { reference, difference, samplingVariance: variance });
    this.#residuals.set(method, ofMethod);
  }
}

function keyOf(method: string, reference: string): string {
  return JSON.stringify([method, reference]);
}
