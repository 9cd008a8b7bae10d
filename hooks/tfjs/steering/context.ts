import * as tf from '@tensorflow/tfjs';
import type { Reference } from '../../../src/reference/index.js';
import type { SteeredTensor, SteeringContext, SteeringReference } from '../../../src/steering/index.js';
import { Random } from '../../../src/tensors/index.js';
import type { Calibration } from '../calibration.js';
import { sampleProblem, storedSamples } from '../calibration-samples.js';
import type { DeviceStatistics } from '../statistics.js';

export interface ContextSources {
  readonly tensors: readonly SteeredTensor[];
  readonly references: readonly Reference[];
  /** holds the references on the device already */
  readonly statistics: DeviceStatistics;
  readonly calibration: Calibration | null;
  readonly seed: number;
}

/** What a run lends to steering terms; `dispose` gives back what they asked for. */
export interface LiveContext extends SteeringContext {
  dispose(): void;
}

export function liveContext({
  tensors,
  references,
  statistics,
  calibration,
  seed,
}: ContextSources): LiveContext {
  const live = references.map((reference, r) => new LiveReference(reference, r, statistics, calibration));
  return {
    tensors,
    references: live,
    activations: calibration?.hasActivation ? (inputs) => calibration.activations(inputs) : null,
    random: new Random('steering', seed),
    dispose() {
      for (const reference of live) {
        reference.dispose();
      }
    },
  };
}

class LiveReference implements SteeringReference {
  readonly name: string;
  readonly rightSubspaces: SteeringReference['rightSubspaces'];
  readonly #reference: Reference;
  readonly #index: number;
  readonly #statistics: DeviceStatistics;
  readonly #calibration: Calibration | null;
  #inputs: tf.Tensor | null = null;

  constructor(
    reference: Reference,
    index: number,
    statistics: DeviceStatistics,
    calibration: Calibration | null,
  ) {
    this.name = reference.name;
    this.rightSubspaces = new Map([...reference.subspaces].map(([name, { right }]) => [name, right]));
    this.#reference = reference;
    this.#index = index;
    this.#statistics = statistics;
    this.#calibration = calibration;
  }

  /** Of an adapted matrix there is one, but not in the layout of a factor. */
  tau({ name, isFactor }: SteeredTensor): tf.Tensor | null {
    const { tau, factors } = this.#reference;
    const isThere = tau.has(name) || factors.has(name);
    return isThere && !isFactor ? this.#statistics.referenceTau(this.#index, name) : null;
  }

  gradient({ name, isFactor }: SteeredTensor): tf.Tensor | null {
    const isThere = this.#reference.gradient?.has(name) ?? false;
    return isThere && !isFactor ? this.#statistics.referenceGradient(this.#index, name) : null;
  }

  get hasInputs(): boolean {
    return this.#calibration !== null && sampleProblem(this.#reference, this.#calibration.inputs) === null;
  }

  /** Copied to the device for the first that asks. */
  get inputs(): tf.Tensor | null {
    const calibration = this.#calibration;
    if (calibration === null || !this.hasInputs) {
      return null;
    }
    this.#inputs ??= tf.keep(
      storedSamples(this.#reference, Number.POSITIVE_INFINITY, calibration.inputs.dtype),
    );
    return this.#inputs;
  }

  dispose(): void {
    this.#inputs?.dispose();
  }
}
