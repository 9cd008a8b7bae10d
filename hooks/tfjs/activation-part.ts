import * as tf from '@tensorflow/tfjs';
import { FUNCTIONAL, FUNCTIONAL_WIDTH } from '../../src/metrics/index.js';
import type { Reference } from '../../src/reference/index.js';
import { tauOf } from '../../src/reference/index.js';
import { withValues } from '../../src/steering/index.js';
import type { NamedTensors } from '../../src/tensors/index.js';
import type { Calibration } from './calibration.js';
import { sampleProblem, storedSamples } from './calibration-samples.js';
import type { FunctionalPart } from './functional-part.js';
import { inVariableLayout, type SharedTensor } from './layout.js';
import { leaveNoTrace } from './leave-no-trace.js';
import { evaluationChunks } from './sample-chunks.js';
import type { TickStatistics } from './statistics.js';

export interface ActivationOptions {
  /** samples of each task */
  readonly samples: number;
  /** every tensor that references share, frozen ones too */
  readonly shared: readonly SharedTensor[];
  /** by canonical name */
  readonly base: NamedTensors;
  readonly nonTrainable: readonly tf.Variable[];
}

/** What belongs to one reference whose samples the live model can take. */
interface Pool {
  /** index of the reference */
  readonly reference: number;
  /** [n, ...] its samples, on the device */
  readonly inputs: tf.Tensor;
  /** its own mean activation over both tasks' samples */
  mean: Float32Array;
  /** the four numbers of FUNCTIONAL, and the step at which they were measured; null before */
  measured: { readonly numbers: readonly number[]; readonly step: number } | null;
}

const COLUMNS = [
  FUNCTIONAL.activationLive,
  FUNCTIONAL.activationReference,
  FUNCTIONAL.activationDot,
  FUNCTIONAL.activationDistance,
];

/**
 * Mean hidden activations over the samples of the live task and a reference's together, of the live model and of the
 * reference (arXiv 2601.22285, activation-based metrics). A piece is one forward pass for one reference.
 */
export class ActivationPart implements FunctionalPart {
  readonly #calibration: Calibration;
  readonly #options: ActivationOptions;
  readonly #own: tf.Tensor;
  readonly #pools: Pool[] = [];
  /** [R] why a reference has no activations; null where it has */
  readonly #problems: readonly (string | null)[];

  private constructor(
    calibration: Calibration,
    references: readonly Reference[],
    options: ActivationOptions,
  ) {
    this.#calibration = calibration;
    this.#options = options;
    this.#own = tf.keep(calibration.first(Math.min(options.samples, calibration.samples)));
    this.#problems = references.map((reference) => sampleProblem(reference, this.#own));
  }

  /** Runs every reference model once. The live weights are bit-identical afterwards. @throws what the model throws */
  static async open(
    calibration: Calibration,
    references: readonly Reference[],
    options: ActivationOptions,
  ): Promise<ActivationPart> {
    const part = new ActivationPart(calibration, references, options);
    try {
      for (const [index, reference] of references.entries()) {
        if (part.#problems[index] === null) {
          await part.#add(reference, index);
        }
      }
    } catch (error) {
      part.dispose();
      throw error;
    }
    return part;
  }

  async #add(reference: Reference, index: number): Promise<void> {
    const inputs = storedSamples(reference, this.#options.samples, this.#own.dtype);
    const pool: Pool = { reference: index, inputs, mean: new Float32Array(), measured: null };
    this.#pools.push(pool);
    const { shared, base } = this.#options;
    // Adapters are taken out: the reference's task vector is in the matrices.
    const adapters = shared.flatMap(({ factors }) => factors?.left.variable ?? []);
    const variables = [...shared.map(({ variable }) => variable), ...adapters];
    const weights = (t: number) =>
      t < shared.length ? referenceWeights(shared[t], base, reference) : tf.zerosLike(variables[t]);
    pool.mean = await take(withValues(variables, weights, () => this.#mean(pool)));
  }

  get count(): number {
    return this.#pools.length;
  }

  /** [size] of the model as it stands, over both tasks' samples. */
  #mean({ inputs }: Pool): tf.Tensor1D {
    return tf.tidy(() => {
      const pooled = tf.concat([this.#own, inputs]);
      const sums = evaluationChunks(pooled.shape[0]).map(({ from, size }) =>
        tf.tidy(() => tf.sum(this.#activations(tf.slice(pooled, from, size)), 0)),
      );
      return tf.div(tf.addN(sums), pooled.shape[0]) as tf.Tensor1D;
    });
  }

  #activations(inputs: tf.Tensor): tf.Tensor2D {
    return leaveNoTrace(this.#options.nonTrainable, (watch) =>
      watch(() => this.#calibration.activations(inputs)),
    );
  }

  async begin(piece: number, step: number): Promise<() => void> {
    const pool = this.#pools[piece];
    const live = await take(this.#mean(pool));
    return () => {
      pool.measured = { numbers: gramOf(live, pool.mean), step };
    };
  }

  async rehearse(): Promise<void> {
    await this.begin(0, 0);
  }

  fill({ step, absent, referenceAbsent, measuredAt, functional }: TickStatistics): void {
    this.#problems.forEach((problem, r) => {
      if (problem !== null) {
        referenceAbsent[r].activation = problem;
      }
    });
    const ready = this.#pools.filter(({ measured }) => measured !== null);
    if (ready.length < this.count) {
      absent.activation = `the activations are not measured yet (against ${ready.length} of ${this.count} references)`;
      return;
    }
    for (const { reference, measured } of ready) {
      const { numbers, step: at } = measured as NonNullable<Pool['measured']>;
      COLUMNS.forEach((column, i) => {
        functional[reference * FUNCTIONAL_WIDTH + column] = numbers[i];
      });
      if (at < step) {
        measuredAt.activation = Math.min(at, measuredAt.activation ?? at);
      }
    }
  }

  dispose(): void {
    tf.dispose([this.#own, ...this.#pools.map(({ inputs }) => inputs)]);
  }
}

/** base + tau in the variable's layout */
export function referenceWeights(tensor: SharedTensor, base: NamedTensors, reference: Reference): tf.Tensor {
  const { shape, data } = base.get(tensor.name)!;
  const tau = tauOf(reference, tensor).data;
  const values = data.map((value, i) => value + tau[i]);
  return tf.tensor(inVariableLayout(tensor, { shape, data: values }), tensor.variable.shape);
}

async function take(tensor: tf.Tensor): Promise<Float32Array> {
  try {
    return (await tensor.data()) as Float32Array;
  } finally {
    tensor.dispose();
  }
}

/** ‖a‖², ‖b‖², a.b, ‖a - b‖² in float64 */
function gramOf(a: Float32Array, b: Float32Array): number[] {
  let [aa, bb, ab, distance] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    aa += a[i] * a[i];
    bb += b[i] * b[i];
    ab += a[i] * b[i];
    distance += (a[i] - b[i]) ** 2;
  }
  return [aa, bb, ab, distance];
}
