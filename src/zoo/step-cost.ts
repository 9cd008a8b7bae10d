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

/** What is timed; heads are not trained first. */
export interface Timed {
  readonly task: Task;
  readonly recipe: Recipe;
  readonly seed: number;
  readonly steering: Steering;
  /** of 12 steps each, for each of the two */
  readonly blocks: number;
}

/**
 * How long a step takes plain and steered, measured alternately in one thread, so that both meet the same machine. Two trainings
 * of the same recipe go on beside each other. An average along the run is the steered one's alone, and is counted from the first step on.
 */
export async function measureStepTimes(base: NamedTensors, timed: Timed): Promise<StepTimes> {
  const { steering, blocks } = timed;
  const { averaging, ...recipe } = { ...timed.recipe, headSteps: 0 };
  const plain = await SideBySide.begin(base, { ...timed, recipe, steering: { terms: [] } });
  const whole = averaging ? { ...recipe, averaging: { ...averaging, from: 0 } } : recipe;
  const steered = await SideBySide.begin(base, { ...timed, recipe: whole, steering });
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

  static async begin(base: NamedTensors, { task, recipe, seed, steering }: Timed): Promise<SideBySide> {
    const model = new VisionTransformer(transformerShape(base), 0);
    setEncoder(model, base);
    model.addHead(task.name, task.classes, seed);
    const optimizer = tf.train.adam(recipe.learningRate);
    const hook = await attachSteering(optimizer, model, task, steering, seed);
    const training = await Training.begin(model, [task], recipe, { seed, optimizer });
    const [watched] = model.encoder().values();
    return new SideBySide(training, watched as tf.Tensor, async () => {
      training.dispose();
      await hook.close();
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
