import type * as tf from '@tensorflow/tfjs';
import type { Fingerprint } from '../../src/fingerprint/index.js';
import type { GuardConfig } from '../../src/guard/index.js';
import type { Reference } from '../../src/reference/index.js';
import type { SteeredTensor } from '../../src/steering/index.js';
import { MergeguardError, type NamedTensors } from '../../src/tensors/index.js';
import type { Calibration, CalibrationBatch } from './calibration.js';
import { chunkLength } from './chunk-length.js';
import { isWatched, type Layout, type LiveWeights, nonTrainable, variablesOf } from './layout.js';
import { openCalibration } from './open-calibration.js';
import { memoryBudget, placeLimits } from './reference-memory/index.js';
import { SelfProber } from './self-probe.js';
import { closeMeasurements, type SlowMeasurements } from './slow-lane.js';
import { openMeasurements } from './slow-measurements.js';
import { DeviceStatistics } from './statistics.js';
import { type LiveContext, liveContext } from './steering/index.js';
import { recipeOf, type Stream, streamOf } from './stream.js';
import { TrainingLook } from './training-look/index.js';

export interface InstrumentSources {
  readonly config: GuardConfig;
  readonly weights: LiveWeights;
  readonly layout: Layout;
  /** by canonical name */
  readonly base: NamedTensors;
  /** the live model is no longer at the base */
  readonly hasMoved: boolean;
  readonly references: readonly Reference[];
  readonly batch: CalibrationBatch | undefined;
  /** where the guard is in this process and scores */
  readonly fingerprint: Fingerprint | null;
}

/** Everything that a tap measures with, on the device; `close` gives it back. */
export interface Instruments {
  readonly stream: Stream;
  /** what steering terms work with */
  readonly steering: LiveContext;
  readonly nonTrainable: readonly tf.Variable[];
  readonly statistics: DeviceStatistics;
  /** [R] see placeLimits */
  readonly placeLimits: readonly (readonly string[])[];
  readonly prober: SelfProber | null;
  readonly measurements: SlowMeasurements;
  /** null without a calibration batch, and where nothing is measured on it */
  readonly look: TrainingLook | null;
  close(): Promise<void>;
}

/** @throws MergeguardError where nothing is to be watched, or for a calibration batch that does not fit */
export async function openInstruments(sources: InstrumentSources): Promise<Instruments> {
  const { config, weights, layout, base, references } = sources;
  const watched = layout.shared.filter(isWatched);
  if (watched.length === 0) {
    throw new MergeguardError('every shared tensor of the live model is frozen: there is nothing to watch');
  }
  const calibration = await openBatch(sources);
  const opened: { dispose(): void }[] = calibration ? [calibration] : [];
  try {
    const stream = streamOf(config, {
      fingerprint: sources.fingerprint,
      adapted: watched.filter(({ factors }) => factors !== null).length,
      calibration: calibration && {
        hasActivation: calibration.hasActivation,
        dtype: calibration.inputs.dtype,
      },
    });
    const samples = Math.min(config.functional.samples, calibration?.samples ?? 0);
    const budget = await memoryBudget(config.tap.deviceMemory);
    const isAveraged = stream.gradientKind === 'ema';
    const statistics = new DeviceStatistics(watched, references, {
      k: config.tap.k,
      powerIterations: config.tap.powerIterations,
      // Without a decay the average is the last gradient: the one on the calibration samples.
      gradientDecay: isAveraged ? config.tap.gradientDecay : 0,
      recipe: recipeOf(stream.gradientKind, config.gradient, samples),
      unmeasured: stream.unmeasured,
      base: sources.hasMoved ? base : undefined,
      referenceBytes: budget.bytes,
      chunk: await chunkLength(),
    });
    opened.push(statistics);
    const tensors = watched.map(({ name, permutation, factors }, t): SteeredTensor => {
      const { variable, origin } = statistics.taus[t];
      const isFactor = factors !== null;
      return { name, variable, transposed: permutation !== null, isFactor, base: () => origin };
    });
    const steering = liveContext({ tensors, references, statistics, calibration, seed: config.seed });
    opened.push(steering);
    const prober =
      calibration && config.selfProbe.enabled ? new SelfProber(calibration, tensors, config.selfProbe) : null;
    if (prober) {
      opened.push(prober);
    }
    const isMeasured = measuredSamples(config) > 0;
    const look = calibration && isMeasured ? await TrainingLook.open(calibration, references) : null;
    const others = nonTrainable(weights);
    const measurements = await openMeasurements({
      config,
      stream,
      variables: variablesOf(weights),
      layout,
      base,
      references,
      statistics,
      calibration,
      nonTrainable: others,
    });
    return {
      stream,
      look,
      steering,
      nonTrainable: others,
      statistics,
      placeLimits: placeLimits(statistics.store, budget),
      prober,
      measurements,
      async close() {
        try {
          await closeMeasurements(measurements);
        } finally {
          disposeAll(opened);
        }
      },
    };
  } catch (error) {
    disposeAll(opened);
    throw error;
  }
}

/** Also where nothing is measured on it: steering terms may ask for its activations. */
async function openBatch({ batch, weights, config }: InstrumentSources): Promise<Calibration | null> {
  return batch ? openCalibration(batch, weights, Math.max(1, measuredSamples(config))) : null;
}

function measuredSamples({ selfProbe, mergeProbe, functional }: GuardConfig): number {
  return Math.max(
    selfProbe.enabled ? selfProbe.samples : 0,
    mergeProbe.enabled ? mergeProbe.samples : 0,
    functional.enabled ? functional.samples : 0,
  );
}

/** The last one that was opened first. */
function disposeAll(opened: readonly { dispose(): void }[]): void {
  for (const each of [...opened].reverse()) {
    each.dispose();
  }
}
