import * as tf from '@tensorflow/tfjs';
import type { NamedTensors } from '../tensors/index.js';
import { setEncoder } from './pool.js';
import { attachSteering, type Steering } from './steering-hook.js';
import type { Task } from './task.js';
import { type Recipe, Training } from './train.js';
import { turn } from './turn.js';
import { transformerShape, VisionTransformer } from './vision-transformer.js';

/** [blocks] milliseconds a step, each the mean of a block of steps. */
export interface StepTimes {
  readonly plain: readonly number[];
  readonly steered: readonly number[];
}

/** Steps to a block: terms that act on every second, third or fourth step act as often in each. */
const BLOCK = 12;
/** Before the clock starts: kernels are compiled, terms have drawn what they keep. */
const WARM_UP = 12;

/**
 * How long a step takes plain and steered, measured alternately in one thread, so that both meet the same machine. Two trainings
 * of the same recipe go on beside each other.
 * @param blocks of 12 steps each, for each of the two
 */
export async function measureStepTimes(
  base: NamedTensors,
  task: Task,
  recipe: Recipe,
  seed: number,
  steering: Steering,
  blocks: number,
): Promise<StepTimes> {
  const plain = await SideBySide.begin(base, task, recipe, seed, null);
  const steered = await SideBySide.begin(base, task, recipe, seed, steering);
  const times: { plain: number[]; steered: number[] } = { plain: [], steered: [] };
  try {
    for (let step = 0; step < WARM_UP; step++) {
      await plain.step();
      await steered.step();
    }
    for (let block = 0; block < blocks; block++) {
      let plainMs = 0;
      let steeredMs = 0;
      for (let step = 0; step < BLOCK; step++) {
        plainMs += await plain.step();
        steeredMs += await steered.step();
      }
      times.plain.push(plainMs / BLOCK);
      times.steered.push(steeredMs / BLOCK);
    }
  } finally {
    await plain.close();
    await steered.close();
  }
  return times;
}

/** One of two trainings, with a model and an optimiser of its own. */
class SideBySide {
  readonly #training: Training;
  readonly #watched: tf.Tensor;
  readonly #close: () => Promise<void>;

  private constructor(training: Training, watched: tf.Tensor, close: () => Promise<void>) {
    this.#training = training;
    this.#watched = watched;
    this.#close = close;
  }

  /** @param steering null: plain, and no hook is attached */
  static async begin(
    base: NamedTensors,
    task: Task,
    recipe: Recipe,
    seed: number,
    steering: Steering | null,
  ): Promise<SideBySide> {
    const model = new VisionTransformer(transformerShape(base), 0);
    setEncoder(model, base);
    model.addHead(task.name, task.classes, seed);
    const optimizer = tf.train.adam(recipe.learningRate);
    const hook = steering && (await attachSteering(optimizer, model, task, steering, seed));
    const training = await Training.begin(model, [task], recipe, { seed, optimizer });
    const [watched] = model.encoder().values();
    return new SideBySide(training, watched as tf.Tensor, async () => {
      training.dispose();
      await hook?.close();
      optimizer.dispose();
      model.dispose();
    });
  }

  /** milliseconds of one step, until its weights are there */
  async step(): Promise<number> {
    await turn();
    const start = performance.now();
    await this.#training.step();
    await this.#watched.data();
    return performance.now() - start;
  }

  close(): Promise<void> {
    return this.#close();
  }
}
