import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { inVariableLayout, layoutOf, sharedWeights } from '../../hooks/tfjs/index.js';
import { makeReference, type Reference, readReference, writeReference } from '../reference/index.js';
import {
  baseIdentity,
  compareTensors,
  type HostTensor,
  MergeguardError,
  type NamedTensors,
  readCheckpoint,
  shapesOf,
  writeSafetensors,
} from '../tensors/index.js';
import { mapWithin } from '../threads/index.js';
import { cachedFile } from './cached-file.js';
import { calibrationGradient, inputGradient } from './calibration-gradients.js';
import { sampleCount, type Task } from './task.js';
import { evaluate, type Recipe, train } from './train.js';
import { type TransformerShape, VisionTransformer, ZOO_SHAPE } from './vision-transformer.js';

/** How the zoo trains. The whole of it is part of the cache's key. */
export const PRETRAINING: Recipe = { steps: 560, batch: 32, learningRate: 1e-3 };
export const FINE_TUNING: Recipe = { steps: 150, batch: 32, learningRate: 5e-4 };

/** Raised when references come to hold more, so that those in a cache are made again. */
const CONTENTS = 2;

export interface Recipes {
  /** of the model; defaults to the demo's, `ZOO_SHAPE` */
  readonly shape?: TransformerShape;
  readonly pretraining: Recipe;
  readonly fineTuning: Recipe;
}

const DEFAULT_RECIPES: Recipes = { pretraining: PRETRAINING, fineTuning: FINE_TUNING };

/** Reports what is going on, for `progress` events. */
export type OnProgress = (phase: string, done: number, total: number, loss: number | null) => void;

/** Fine-tunes references elsewhere, several at a time: see ZooEvaluators. */
export interface FineTuner {
  /** how many at a time */
  readonly threads: number;
  fineTune(base: NamedTensors, task: Task, recipe: Recipe, seed: number): Promise<Reference>;
}

export interface PoolOptions {
  /** what the base is trained on */
  readonly pretraining: readonly Task[];
  /** tasks to fine-tune a reference for */
  readonly references: readonly Task[];
  readonly seed: number;
  /** says where the tasks come from; part of the cache's key */
  readonly source: string;
  /** folder of the cache; null: none */
  readonly cache: string | null;
  /** defaults to `PRETRAINING` and `FINE_TUNING` */
  readonly recipes?: Recipes;
  /** where references are fine-tuned; defaults to here, one after the other */
  readonly fineTuner?: FineTuner;
  readonly onProgress?: OnProgress;
}

export interface Pool {
  /** the base's encoder */
  readonly base: NamedTensors;
  readonly references: readonly Reference[];
}

/**
 * A base trained jointly, and a reference fine-tuned for each task; what the cache holds is not made again.
 * @throws MergeguardError when the cache's folder can't be made or written to
 */
export async function preparePool(options: PoolOptions): Promise<Pool> {
  const { seed, cache, recipes = DEFAULT_RECIPES, onProgress = () => {} } = options;
  const folder = cache === null ? null : await openFolder(cache, poolKey(options, recipes));
  const model = new VisionTransformer(recipes.shape ?? ZOO_SHAPE, seed);
  try {
    const base = await cachedFile(folder, 'base.safetensors', {
      read: readCheckpoint,
      make: () => pretrain(model, options.pretraining, recipes.pretraining, seed, onProgress),
      write: (path, tensors) => writeSafetensors(path, tensors),
    });
    const baseHash = baseIdentity(base);
    const fineTuner = options.fineTuner ?? fineTunerHere(model, onProgress);
    const references = await mapWithin(
      options.references,
      { budget: fineTuner.threads, weight: () => 1 },
      (task) =>
        cachedFile(folder, `${task.name}.reference.safetensors`, {
          read: (path) => readReferenceOf(baseHash, path),
          make: async () => {
            const reference = await fineTuner.fineTune(base, task, recipes.fineTuning, seed);
            onProgress(`reference ${task.name}`, recipes.fineTuning.steps, recipes.fineTuning.steps, null);
            return reference;
          },
          write: (path, reference) => writeReference(path, reference),
        }),
    );
    return { base, references };
  } finally {
    model.dispose();
  }
}

/** Readable, and different whenever the models would be. */
function poolKey({ source, seed, pretraining }: PoolOptions, recipes: Recipes): string {
  const sizes = pretraining.map((task) => [task.name, task.classes, sampleCount(task.train)]);
  const { pretraining: first, fineTuning: then } = recipes;
  const identity = JSON.stringify([source, seed, sizes, first, then, recipes.shape ?? ZOO_SHAPE, CONTENTS]);
  return `seed${seed}-${createHash('sha256').update(identity).digest('hex').slice(0, 12)}`;
}

async function openFolder(cache: string, key: string): Promise<string> {
  const folder = join(cache, 'zoo', key);
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new MergeguardError(
      `the cache's folder ${folder} can't be made (${(error as Error).message}); choose another with --cache`,
    );
  }
  return folder;
}

/** A base that had to be made again, on another backend say, may differ from the one its references are of. */
async function readReferenceOf(baseHash: string, path: string): Promise<Reference> {
  const reference = await readReference(path);
  if (reference.baseHash !== baseHash) {
    throw new MergeguardError(`${path} was fine-tuned from another base than the cache holds`);
  }
  return reference;
}

async function pretrain(
  model: VisionTransformer,
  tasks: readonly Task[],
  recipe: Recipe,
  seed: number,
  onProgress: OnProgress,
): Promise<NamedTensors> {
  for (const task of tasks) {
    model.addHead(task.name, task.classes, seed);
  }
  await train(model, tasks, recipe, {
    seed,
    onStep: ({ step, loss }) => onProgress('pretrain', step, recipe.steps, loss),
  });
  for (const task of tasks) {
    model.removeHead(task.name);
  }
  return sharedWeights(model.encoder());
}

function fineTunerHere(model: VisionTransformer, onProgress: OnProgress): FineTuner {
  return {
    threads: 1,
    fineTune: (base, task, recipe, seed) => fineTuneReference(model, base, task, recipe, seed, onProgress),
  };
}

/** Trains a task's model from the base. Same seed, same reference, whatever the model did before. */
export async function fineTuneReference(
  model: VisionTransformer,
  base: NamedTensors,
  task: Task,
  recipe: Recipe,
  seed: number,
  onProgress: OnProgress = () => {},
): Promise<Reference> {
  setEncoder(model, base);
  model.addHead(task.name, task.classes, seed);
  await train(model, [task], recipe, {
    seed,
    onStep: ({ step, loss }) => onProgress(`reference ${task.name}`, step, recipe.steps, loss),
  });
  const reference = await referenceOf(model, base, task, { seed, recipe });
  model.removeHead(task.name);
  return reference;
}

/** The model as it stands, as a reference of its task: gradients, head, calibration samples and figures included. */
export async function referenceOf(
  model: VisionTransformer,
  base: NamedTensors,
  task: Task,
  madeBy: Record<string, unknown>,
): Promise<Reference> {
  const { accuracy, loss } = await evaluate(model, task, task.calibration);
  const { accuracy: testAccuracy } = await evaluate(model, task);
  const count = sampleCount(task.calibration);
  const images = Float32Array.from(task.calibration.images, (byte) => byte / 255);
  return makeReference({
    name: task.name,
    base,
    model: await sharedWeights(model.encoder()),
    head: await headWeights(model, task.name),
    gradient: await calibrationGradient(model, task),
    gradientRecipe: {
      kind: 'calibration',
      batch: count,
      reduction: 'mean',
      clipped: false,
      accumulated: 1,
      lossScale: 1,
    },
    calibration: {
      images: { shape: [count, 28, 28], data: images },
      labels: Int32Array.from(task.calibration.labels),
    },
    inputGradient: await inputGradient(model, task),
    accuracy,
    loss,
    madeBy: { zoo: 'vision transformer', task: task.name, testAccuracy, ...madeBy },
  });
}

async function headWeights(model: VisionTransformer, task: string): Promise<NamedTensors> {
  return sharedWeights(model.head(task), []);
}

/** Assigns values by canonical name to the model's encoder. @throws MergeguardError where names or shapes differ */
export function setEncoder(model: VisionTransformer, values: NamedTensors): void {
  assign(model.encoder(), [], values, 'the encoder');
}

/** Gives the model a reference's head, with the weights it was stored with. @throws MergeguardError like setEncoder */
export function setHead(model: VisionTransformer, task: Task, head: NamedTensors): void {
  model.addHead(task.name, task.classes, 0);
  assign(model.head(task.name), [], head, `the head of ${task.name}`);
}

function assign(
  variables: ReadonlyMap<string, tf.Variable>,
  heads: readonly string[],
  values: NamedTensors,
  what: string,
): void {
  const { shared } = layoutOf(variables, heads);
  compareTensors(new Map(shared.map(({ name, shape }) => [name, shape])), shapesOf(values), {
    what,
    against: "the zoo's model",
    advice: 'was it made for another task or by another version?',
  });
  for (const tensor of shared) {
    const value = values.get(tensor.name) as HostTensor;
    tf.tidy(() => tensor.variable.assign(tf.tensor(inVariableLayout(tensor, value), tensor.variable.shape)));
  }
}
