import * as tf from '@tensorflow/tfjs';
import { Random } from '../tensors/random.js';
import { imageTensor } from './image-tensor.js';
import { moved, pick, type Samples, sampleCount, stretch, type Task } from './task.js';
import { trainHeads } from './train-heads.js';
import { turn } from './turn.js';
import type { VisionTransformer } from './vision-transformer.js';
import { type Averaging, WeightAverage } from './weight-average.js';

export interface Recipe {
  readonly steps: number;
  readonly batch: number;
  /** Adam's step size; warmed up over the first twentieth of the steps */
  readonly learningRate: number;
  /** what becomes of it then: it stays, or falls to zero in a straight line; defaults to `constant` */
  readonly schedule?: 'constant' | 'linear';
  /**
   * steps before them that train the heads alone, by Adam at 0.01: the encoder then starts from a head that means something,
   * and moves less (Kumar et al. 2022, arXiv 2202.10054); defaults to 0
   */
  readonly headSteps?: number;
  /** images are moved by up to so many pixels in both directions, anew each time; defaults to 0 */
  readonly shift?: number;
  /** of encoder and heads; defaults to none */
  readonly averaging?: Averaging;
}

export interface StepReport {
  /** steps done so far */
  readonly step: number;
  /** training loss of this step's batch, read every tenth step, else null */
  readonly loss: number | null;
}

export interface Evaluation {
  readonly accuracy: number;
  /** mean cross-entropy */
  readonly loss: number;
  readonly samples: number;
}

/** What a model made of each sample. */
export interface SampleEvaluations {
  /** [N] 1 where the highest score is the label's, else 0 */
  readonly correct: Uint8Array;
  /** [N] cross-entropies */
  readonly losses: Float32Array;
}

/**
 * Trains encoder and heads jointly, one task a step in turn. Between steps the event loop gets a turn, so that
 * a server in this process stays alive. What `onStep` throws ends the training. Same seed, same weights.
 */
export async function train(
  model: VisionTransformer,
  tasks: readonly Task[],
  recipe: Recipe,
  options: TrainOptions & { onStep?: (report: StepReport) => void },
): Promise<void> {
  const training = await Training.begin(model, tasks, recipe, options);
  try {
    for (let step = 0; step < recipe.steps; step++) {
      const report = await training.step();
      options.onStep?.(report);
      await turn();
    }
    training.finish();
  } finally {
    training.dispose();
  }
}

export interface TrainOptions {
  readonly seed: number;
  /** defaults to an Adam of its own */
  readonly optimizer?: tf.Optimizer;
}

/** A training that goes on step by step: `train` for those who have something to do in between. `dispose` when done. */
export class Training {
  readonly #model: VisionTransformer;
  readonly #tasks: readonly Task[];
  readonly #recipe: Recipe;
  readonly #optimizer: tf.Optimizer;
  readonly #isOwn: boolean;
  readonly #variables: tf.Variable[];
  readonly #streams: readonly (() => Samples)[];
  readonly #shifts: Random;
  readonly #average: WeightAverage | null;
  #step = 0;

  private constructor(
    model: VisionTransformer,
    tasks: readonly Task[],
    recipe: Recipe,
    { seed, optimizer }: TrainOptions,
  ) {
    this.#model = model;
    this.#tasks = tasks;
    this.#recipe = recipe;
    this.#optimizer = optimizer ?? tf.train.adam(recipe.learningRate);
    this.#isOwn = optimizer === undefined;
    this.#variables = [
      ...model.encoder().values(),
      ...tasks.flatMap((task) => [...model.head(task.name).values()]),
    ];
    this.#streams = tasks.map((task) =>
      batches(task.train, recipe.batch, new Random('batches', task.name, seed)),
    );
    this.#shifts = new Random('shifts', seed);
    this.#average = recipe.averaging
      ? new WeightAverage(this.#variables, recipe.averaging.decay ?? null)
      : null;
  }

  /** Trains the heads first, where the recipe says so. */
  static async begin(
    model: VisionTransformer,
    tasks: readonly Task[],
    recipe: Recipe,
    options: TrainOptions,
  ): Promise<Training> {
    if (recipe.headSteps) {
      await trainHeads(model, tasks, recipe.headSteps, recipe.batch, options.seed);
    }
    return new Training(model, tasks, recipe, options);
  }

  async step(): Promise<StepReport> {
    const { steps, shift = 0, averaging } = this.#recipe;
    const step = this.#step;
    const task = this.#tasks[step % this.#tasks.length];
    const rate = this.#optimizer as unknown as { learningRate: number };
    rate.learningRate = learningRate(this.#recipe, step);
    const batch = moved(this.#streams[step % this.#tasks.length](), shift, this.#shifts);
    const images = imageTensor(batch);
    const labels = tf.tidy(() => tf.oneHot(tf.tensor1d(batch.labels, 'int32'), task.classes));
    const cost = this.#optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(labels, this.#model.logits(images, task.name)) as tf.Scalar,
      true,
      this.#variables,
    ) as tf.Scalar;
    const loss = step % 10 === 9 || step === steps - 1 ? (await cost.data())[0] : null;
    tf.dispose([images, labels, cost]);
    if (averaging && step >= averaging.from * steps) {
      this.#average?.add();
    }
    this.#step += 1;
    return { step: this.#step, loss };
  }

  /** Leaves the model at its average, where the recipe has one. */
  finish(): void {
    this.#average?.apply();
  }

  dispose(): void {
    this.#average?.dispose();
    if (this.#isOwn) {
      this.#optimizer.dispose();
    }
  }
}

/** Of a step, counted from 0. */
function learningRate({ steps, learningRate: highest, schedule = 'constant' }: Recipe, step: number): number {
  const warmup = Math.max(1, Math.round(steps / 20));
  if (step < warmup) {
    return highest * ((step + 1) / warmup);
  }
  return schedule === 'constant' ? highest : (highest * (steps - step)) / (steps - warmup);
}

/** Accuracy and loss of the model on the task, by default on its test samples. */
export async function evaluate(
  model: VisionTransformer,
  task: Task,
  samples: Samples = task.test,
  batch = 200,
): Promise<Evaluation> {
  return summarise(await evaluateSamples(model, task, samples, batch));
}

/** Every sample on its own, in their order. */
export async function evaluateSamples(
  model: VisionTransformer,
  task: Task,
  samples: Samples,
  batch = 200,
): Promise<SampleEvaluations> {
  const count = sampleCount(samples);
  const correct = new Uint8Array(count);
  const losses = new Float32Array(count);
  for (let start = 0; start < count; start += batch) {
    const part = stretch(samples, start, batch);
    const size = sampleCount(part);
    const both = tf.tidy(() => {
      const logits = model.logits(imageTensor(part), task.name);
      const labels = tf.tensor1d(part.labels, 'int32');
      const hits = tf.cast(tf.equal(tf.argMax(logits, 1), labels), 'float32');
      const oneHot = tf.oneHot(labels, task.classes);
      return tf.stack([hits, tf.losses.softmaxCrossEntropy(oneHot, logits, undefined, 0, tf.Reduction.NONE)]);
    });
    const values = (await both.data()) as Float32Array;
    both.dispose();
    correct.set(values.subarray(0, size), start);
    losses.set(values.subarray(size), start);
    await turn();
  }
  return { correct, losses };
}

/** Over the first `most` samples, all by default. */
export function summarise(
  { correct, losses }: SampleEvaluations,
  most = Number.POSITIVE_INFINITY,
): Evaluation {
  const samples = Math.min(most, correct.length);
  let hits = 0;
  let loss = 0;
  for (let i = 0; i < samples; i++) {
    hits += correct[i];
    loss += losses[i];
  }
  return { accuracy: hits / samples, loss: loss / samples, samples };
}

/** Endless batches, every sample once an epoch, in a new random order each epoch. */
function batches(samples: Samples, size: number, random: Random): () => Samples {
  const count = sampleCount(samples);
  const take = Math.min(size, count);
  let order = random.permutation(count);
  let next = 0;
  return () => {
    if (next + take > count) {
      order = random.permutation(count);
      next = 0;
    }
    next += take;
    return pick(samples, order.subarray(next - take, next));
  };
}
