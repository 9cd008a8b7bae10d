import type * as tf from '@tensorflow/tfjs';
import type { GuardConfig } from '../../src/guard/index.js';
import { mergeMethod } from '../../src/merging/index.js';
import type { Reference } from '../../src/reference/index.js';
import type { NamedTensors } from '../../src/tensors/index.js';
import { ActivationPart } from './activation-part.js';
import type { Calibration } from './calibration.js';
import { CalibrationGradientPart } from './calibration-gradient-part.js';
import type { FunctionalPart } from './functional-part.js';
import { FunctionalProbe } from './functional-probe.js';
import { InputGradientPart } from './input-gradient-part.js';
import type { Layout } from './layout.js';
import { MergeProbe } from './merge-probe/index.js';
import { NativeDecomposer } from './native-svd.js';
import { closeMeasurements, type SlowMeasurements } from './slow-lane.js';
import { SpectralSweep } from './spectral-sweep.js';
import type { DeviceStatistics } from './statistics.js';
import type { Stream } from './stream.js';
import { WorkerDecomposer } from './worker-decomposer.js';

export interface MeasurementSources {
  readonly config: Pick<GuardConfig, 'slow' | 'functional' | 'mergeProbe' | 'tap'>;
  readonly variables: readonly tf.Variable[];
  readonly stream: Stream;
  readonly layout: Layout;
  /** by canonical name */
  readonly base: NamedTensors;
  readonly references: readonly Reference[];
  readonly statistics: DeviceStatistics;
  readonly calibration: Calibration | null;
  readonly nonTrainable: readonly tf.Variable[];
}

/** Makes ready what the slow lane is to measure. @throws what the live model throws for a reference's samples */
export async function openMeasurements(sources: MeasurementSources): Promise<SlowMeasurements> {
  const functional = await openFunctional(sources);
  let merge: MergeProbe | null = null;
  try {
    merge = await openMergeProbe(sources);
    return { functional, merge, spectral: openSpectral(sources) };
  } catch (error) {
    await closeMeasurements({ functional, merge, spectral: null });
    throw error;
  }
}

async function openMergeProbe({
  config: { mergeProbe },
  variables,
  layout: { shared, heads },
  base,
  references,
  statistics,
  calibration,
  nonTrainable,
}: MeasurementSources): Promise<MergeProbe | null> {
  if (!calibration || !mergeProbe.enabled || references.length === 0) {
    return null;
  }
  const merges = new Map(mergeProbe.methods.map(mergeMethod).map((merge) => [merge.id, merge]));
  return MergeProbe.open({ variables, nonTrainable, shared, heads, calibration }, references, {
    merges: [...merges.values()],
    samples: mergeProbe.samples,
    coefficients: mergeProbe.coefficients,
    base,
    tensors: shared.map((tensor) => {
      const watched = statistics.layout.tensors.indexOf(tensor);
      return { tensor, tau: watched < 0 ? null : statistics.taus[watched] };
    }),
  });
}

function openSpectral({ stream, references, statistics, config }: MeasurementSources): SpectralSweep | null {
  const { tensors } = statistics.layout;
  const hasMatrices = tensors.some(({ shape }) => shape.length === 2);
  if (stream.unmeasured.spectra !== undefined || references.length === 0 || !hasMatrices) {
    return null;
  }
  return new SpectralSweep(tensors, references, {
    k: config.tap.k,
    taus: statistics.taus,
    decomposer: NativeDecomposer.open() ?? new WorkerDecomposer(),
  });
}

async function openFunctional({
  config,
  stream,
  layout,
  base,
  references,
  statistics,
  calibration,
  nonTrainable,
}: MeasurementSources): Promise<FunctionalProbe | null> {
  if (!calibration || !config.functional.enabled || references.length === 0) {
    return null;
  }
  const { samples } = config.functional;
  const parts: FunctionalPart[] = [];
  try {
    if (stream.gradientKind === 'calibration' && statistics.gradients) {
      const variables = statistics.layout.tensors.map(({ variable }) => variable);
      const options = { samples, variables, nonTrainable };
      parts.push(new CalibrationGradientPart(calibration, statistics.gradients, options));
    }
    if (stream.unmeasured.inputGradient === undefined) {
      parts.push(new InputGradientPart(calibration, references, { samples, nonTrainable }));
    }
    if (stream.unmeasured.activation === undefined) {
      const options = { samples, shared: layout.shared, base, nonTrainable };
      parts.push(await ActivationPart.open(calibration, references, options));
    }
  } catch (error) {
    for (const part of parts) {
      part.dispose();
    }
    throw error;
  }
  return new FunctionalProbe(parts);
}
