import { type ProbeResidual, samplingVariance } from '../fingerprint/index.js';
import type { ProbedTask, ProbeEvent } from './events.js';

/** What a run predicts. */
export interface Predicted {
  readonly methods: readonly string[];
  /** names */
  readonly references: readonly string[];
}

/** A normalised accuracy that was predicted without probes. */
export interface Prediction {
  readonly step: number;
  readonly value: number;
}

/** Predictions of a pair that are remembered: a probe under way may take many ticks. */
const MOST_PREDICTIONS = 200;

/**
 * The merge probes of a run, each held against what was predicted for its pair nearest to the step at which its weights were
 * taken; the last one of every method and reference counts. One that comes before its pair was ever predicted waits for the
 * first prediction.
 */
export class RunProbes {
  readonly #predicted: Predicted;
  readonly #predictions = new Map<string, Prediction[]>();
  /** by method, then reference */
  readonly #probes = new Map<string, Map<string, ProbeEvent>>();

  constructor(predicted: Predicted) {
    this.#predicted = predicted;
  }

  /**
   * A probe without a normalised accuracy, or by a method that is not predicted, is for people to see; nothing predicted can be
   * held against it.
   * @returns what keeps it from being used, or null
   */
  observe(probe: ProbeEvent): string | null {
    const { method, reference, accuracy, normalised, samples, standardError } = probe;
    if (normalised === null || !this.#predicted.methods.includes(method)) {
      return null;
    }
    const error = probe.normalisedStandardError ?? 0;
    if (![accuracy, normalised, samples, standardError, error].every(Number.isFinite) || samples < 1) {
      return (
        `merge probe of ${method} with ${reference} not used: accuracy ${accuracy}, normalised ${normalised}, ` +
        `standard error ${standardError} on ${samples} samples`
      );
    }
    if (!this.#predicted.references.includes(reference)) {
      return `merge probe not used: ${method} with ${reference} is not predicted in this run`;
    }
    const ofMethod = this.#probes.get(method) ?? new Map<string, ProbeEvent>();
    ofMethod.set(reference, probe);
    this.#probes.set(method, ofMethod);
    return null;
  }

  /** What corrects the predictions of one method. */
  of(method: string): ProbeResidual[] {
    const residuals: ProbeResidual[] = [];
    for (const [reference, probe] of this.#probes.get(method) ?? []) {
      const prediction = this.#nearest(method, reference, probe.step);
      if (prediction !== null && probe.normalised !== null) {
        const difference = probe.normalised - prediction.value;
        residuals.push({ reference, difference, samplingVariance: varianceOf(probe) });
      }
    }
    return residuals;
  }

  /**
   * Takes note of a prediction made without probes.
   * @returns whether a probe of the pair is now held against it, so that `of` has changed
   */
  predicted(method: string, reference: string, prediction: Prediction): boolean {
    const key = keyOf(method, reference);
    const predictions = this.#predictions.get(key) ?? [];
    predictions.push(prediction);
    this.#predictions.set(key, predictions);
    const probe = this.#probes.get(method)?.get(reference);
    const nearest = probe === undefined ? null : this.#nearest(method, reference, probe.step);
    if (predictions.length > MOST_PREDICTIONS) {
      // What the last probe is held against stays, however old: another one would be of other weights.
      predictions.splice(predictions[0] === nearest ? 1 : 0, 1);
    }
    return nearest === prediction;
  }

  #nearest(method: string, reference: string, step: number): Prediction | null {
    let nearest: Prediction | null = null;
    for (const prediction of this.#predictions.get(keyOf(method, reference)) ?? []) {
      if (nearest === null || Math.abs(prediction.step - step) < Math.abs(nearest.step - step)) {
        nearest = prediction;
      }
    }
    return nearest;
  }
}

/** Of the probe's normalised accuracy. */
function varianceOf(probe: ProbeEvent): number {
  const { accuracy, normalised, samples, standardError, normalisedStandardError, tasks } = probe;
  if (typeof normalisedStandardError === 'number' && tasks !== undefined) {
    return normalisedStandardError ** 2 + (leastVariance(tasks.live) + leastVariance(tasks.reference)) / 4;
  }
  // the error of the accuracy, in units of normalised accuracy
  const unit = accuracy > 0 && normalised !== null ? normalised / accuracy : 1;
  return unit ** 2 * Math.max(samplingVariance(accuracy, samples), standardError ** 2);
}

/**
 * Of the ratio r = accuracy / ownAccuracy, beside the paired variance. Where both models agree on every sample that is zero, and no
 * proof that they always do: as `samplingVariance`, one more sample lost, and one more won, than was seen (Agresti and Min
 * 2005). Their residuals c - r d (right by the merged model, by the own) are r and 1.
 */
function leastVariance({ accuracy, ownAccuracy, samples }: ProbedTask): number {
  if (ownAccuracy === null || ownAccuracy === 0) {
    return 0;
  }
  const ratio = accuracy / ownAccuracy;
  return (1 + ratio ** 2) / ((samples + 2) * ownAccuracy) ** 2;
}

function keyOf(method: string, reference: string): string {
  return JSON.stringify([method, reference]);
}
