import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  listProblems,
  MergeguardError,
  openSafetensors,
  Random,
  type SafetensorsFile,
} from '../tensors/index.js';
import { holdOut, type Samples, SIDE, sampleCount, type Task } from './task.js';

/** Calibration samples of a task, where it has enough. */
export const CALIBRATION = 128;
/** With fewer, a fifth of them would be none. */
const LEAST_TRAINING = 5;

/** Names of the tasks in a folder of safetensors files, one file a task, sorted. */
export async function taskNames(folder: string): Promise<string[]> {
  let files: string[];
  try {
    files = await readdir(folder);
  } catch {
    throw new MergeguardError(
      `there is no folder ${folder} to read tasks from; give --data a folder of .safetensors files`,
    );
  }
  const names = files
    .filter((file) => file.endsWith('.safetensors'))
    .map((file) => basename(file, '.safetensors'));
  if (names.length === 0) {
    throw new MergeguardError(
      `${folder} holds no .safetensors file; give --data a folder with one file a task`,
    );
  }
  return names.sort();
}

/**
 * Reads a task: `train.images` [N, 28, 28] and `train.labels` [N], `test.images`, `test.labels`, all U8, ink
 * bright. Calibration samples are held out of the training samples, the same ones for the same seed.
 * @param most calibration samples to hold out at most; a fifth of the training samples where that is fewer
 * @throws MergeguardError with everything that is wrong with the file
 */
export async function readTask(
  folder: string,
  name: string,
  seed: number,
  most = CALIBRATION,
): Promise<Task> {
  const path = join(folder, `${name}.safetensors`);
  const file = await openSafetensors(path);
  try {
    const problems: string[] = [];
    const train = await readPart(file, 'train', problems);
    const test = await readPart(file, 'test', problems);
    if (train && test) {
      problems.push(...labelProblems(train, test, file.metadata.classes));
    }
    if (problems.length > 0 || !train || !test) {
      throw new MergeguardError(listProblems(`${path} is no task file:`, problems));
    }
    const count = sampleCount(train);
    const order = new Random('calibration', name, seed).permutation(count);
    const held = holdOut(train, order, Math.min(most, Math.floor(count / 5)));
    return { name, classes: highest(train.labels) + 1, ...held, test };
  } finally {
    await file.close();
  }
}

/** Images and labels of `train` or `test`; null, with the problems told, where they are not what they should be. */
async function readPart(file: SafetensorsFile, kind: string, problems: string[]): Promise<Samples | null> {
  const before = problems.length;
  const images = await readBytes(file, `${kind}.images`, problems);
  const labels = await readBytes(file, `${kind}.labels`, problems);
  const [given, height, width] = images?.shape ?? [];
  const isImages = images?.shape.length === 3 && height === SIDE && width === SIDE;
  if (images && !isImages) {
    problems.push(`${kind}.images is [${images.shape.join(', ')}], a task file has [N, ${SIDE}, ${SIDE}]`);
  }
  if (labels && labels.shape.length !== 1) {
    problems.push(`${kind}.labels is [${labels.shape.join(', ')}], a task file has [N]`);
  }
  if (!images || !labels || problems.length > before) {
    return null;
  }
  const least = kind === 'train' ? LEAST_TRAINING : 1;
  if (given !== labels.data.length) {
    problems.push(`${kind}.images holds ${given} images, ${kind}.labels ${labels.data.length} labels`);
  } else if (given < least) {
    problems.push(`${kind} is ${given === 0 ? 'empty' : `${given} images`}; a task needs ${least} or more`);
  }
  return problems.length > before ? null : { images: images.data, labels: labels.data };
}

async function readBytes(
  file: SafetensorsFile,
  tensor: string,
  problems: string[],
): Promise<{ shape: readonly number[]; data: Uint8Array } | null> {
  if (!file.names.includes(tensor)) {
    problems.push(`${tensor} is missing`);
    return null;
  }
  const { dtype, shape } = file.info(tensor);
  if (dtype !== 'U8') {
    problems.push(`${tensor} is ${dtype}, a task file has U8`);
    return null;
  }
  return { shape, data: (await file.read(tensor)).data as Uint8Array };
}

function labelProblems(train: Samples, test: Samples, declared: string | undefined): string[] {
  const problems: string[] = [];
  const classes = highest(train.labels) + 1;
  const present = new Set(train.labels);
  if (present.size < 2) {
    problems.push(`train.labels knows ${present.size} class; a task needs two or more`);
  }
  const absent = Array.from({ length: classes }, (_, label) => label).filter((label) => !present.has(label));
  if (absent.length > 0) {
    problems.push(
      `train.labels goes up to ${classes - 1} and never says ${absent.slice(0, 8).join(', ')}; labels count from 0 without gaps`,
    );
  }
  if (declared !== undefined && Number(declared) !== classes) {
    problems.push(`its metadata says ${declared} classes, train.labels has ${classes}`);
  }
  if (highest(test.labels) >= classes) {
    problems.push(`test.labels goes up to ${highest(test.labels)}, train.labels to ${classes - 1}`);
  }
  return problems;
}

function highest(labels: Uint8Array): number {
  return labels.reduce((most, label) => Math.max(most, label), 0);
}
