import * as tf from '@tensorflow/tfjs';
import { type Attached, attach, sharedWeights } from '../../../hooks/tfjs/index.js';
import { baseIdentity, Random } from '../../../src/tensors/index.js';
import { drawnTasks } from '../../../src/zoo/drawn-tasks.js';
import { imageTensor } from '../../../src/zoo/image-tensor.js';
import { pick, sampleCount } from '../../../src/zoo/task.js';
import { type TransformerShape, VisionTransformer } from '../../../src/zoo/vision-transformer.js';
import { syntheticReferences } from './synthetic-reference.js';

export const BATCH = 32;
export const REFERENCES = 4;
/** Batches that are trained on in turn. */
const BATCHES = 8;
const [TASK] = drawnTasks(0, ['curves']);

/** Steps that were run one after the other, ms in all. */
export interface StepBlock {
  readonly steps: number;
  /** until the device was done with the last step, and with what the guard does after it */
  readonly wall: number;
  /** of all threads of the process: what others take from the machine is not in it */
  readonly cpu: number;
}

/**
 * A transformer of the zoo in training by Adam, batches of 32, with a guard that is taken away for plain steps: the same model and
 * optimiser for both, since two models of the same shape differ by several per cent by where their memory lies. The guard has
 * 4 synthetic references, 128 calibration samples and the default configuration but for its budget.
 */
export class GuardedSteps {
  readonly model: VisionTransformer;
  /** null: plain steps only */
  readonly guard: Attached | null;
  readonly #optimizer: tf.AdamOptimizer;
  readonly #calibration: tf.Tensor3D;
  readonly #batches: readonly { readonly images: tf.Tensor3D; readonly labels: tf.Tensor }[];
  #ticks = 0;
  #overhead: number | null = null;

  private constructor(
    model: VisionTransformer,
    guard: Attached | null,
    optimizer: tf.AdamOptimizer,
    calibration: tf.Tensor3D,
  ) {
    this.model = model;
    this.guard = guard;
    this.#optimizer = optimizer;
    this.#calibration = calibration;
    this.#batches = makeBatches();
    guard?.events.subscribe((event) => {
      if (event.event === 'tick') {
        this.#ticks += 1;
        this.#overhead = event.cost.overhead;
      }
    });
  }

  /** On the active backend. @param overhead the guard's budget, a fraction of the step time; null: there is no guard */
  static async open(shape: TransformerShape, overhead: number | null): Promise<GuardedSteps> {
    const model = new VisionTransformer(shape, 0);
    model.addHead(TASK.name, TASK.classes, 0);
    const optimizer = tf.train.adam(5e-4);
    const calibration = imageTensor(TASK.calibration);
    const guard = overhead === null ? null : await attachGuard(model, { optimizer, calibration, overhead });
    return new GuardedSteps(model, guard, optimizer, calibration);
  }

  /** Elements of the encoder and the head. */
  get parameters(): number {
    return this.#variables.reduce((sum, { size }) => sum + size, 0);
  }

  get ticks(): number {
    return this.#ticks;
  }

  /** What the guard believes it costs, over plain time; null before the first tick. */
  get overhead(): number | null {
    return this.#overhead;
  }

  get #variables(): tf.Variable[] {
    return [...this.model.encoder().values(), ...this.model.head(TASK.name).values()];
  }

  /**
   * Work on a device is asynchronous, so a block is timed as a whole. The guard takes one that has fewer than 6 plain steps for
   * training of its own, and not for a pause.
   */
  async run(steps: number, guarded: boolean): Promise<StepBlock> {
    const optimizer = this.#optimizer;
    const variables = this.#variables;
    // The guard wraps two methods of this one optimiser; without them it is what it was before.
    const { computeGradients, applyGradients } = optimizer;
    if (!guarded) {
      Object.assign(optimizer, {
        computeGradients: tf.Optimizer.prototype.computeGradients,
        applyGradients: tf.AdamOptimizer.prototype.applyGradients,
      });
    }
    const before = process.cpuUsage();
    const start = performance.now();
    for (let step = 0; step < steps; step++) {
      const { images, labels } = this.#batches[step % BATCHES];
      optimizer.minimize(
        () => tf.losses.softmaxCrossEntropy(labels, this.model.logits(images, TASK.name)) as tf.Scalar,
        false,
        variables,
      );
      await turn();
    }
    // The head's bias, which the last step has written: everything before it is done then, the guard's work too.
    await (variables.at(-1) as tf.Variable).data();
    await turn();
    const wall = performance.now() - start;
    const { user, system } = process.cpuUsage(before);
    Object.assign(optimizer, { computeGradients, applyGradients });
    return { steps, wall, cpu: (user + system) / 1000 };
  }

  async close(): Promise<void> {
    await this.guard?.detach();
    tf.dispose([this.#calibration, ...this.#batches.flatMap(({ images, labels }) => [images, labels])]);
    this.#optimizer.dispose();
    this.model.dispose();
  }
}

async function attachGuard(
  model: VisionTransformer,
  parts: { optimizer: tf.Optimizer; calibration: tf.Tensor3D; overhead: number },
): Promise<Attached> {
  const base = await sharedWeights(model.encoder());
  const tensors = [...base].map(([name, tensor]) => ({ name, shape: tensor.shape }));
  return attach(parts.optimizer, {
    weights: new Map([...model.encoder(), ...model.head(TASK.name)]),
    references: syntheticReferences(tensors, REFERENCES, baseIdentity(base)),
    config: { overhead: parts.overhead },
    calibration: {
      inputs: parts.calibration,
      labels: TASK.calibration.labels,
      predict: (images) => model.logits(images as tf.Tensor3D, TASK.name),
    },
  });
}

/** What the guard does after a step belongs to it. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function makeBatches(): { images: tf.Tensor3D; labels: tf.Tensor }[] {
  const order = new Random('overhead', 'batches').permutation(sampleCount(TASK.train));
  return Array.from({ length: BATCHES }, (_, i) => {
    const part = pick(TASK.train, order.subarray(i * BATCH, (i + 1) * BATCH));
    return {
      images: imageTensor(part),
      labels: tf.tidy(() => tf.oneHot(tf.tensor1d(part.labels, 'int32'), TASK.classes)),
    };
  });
}
