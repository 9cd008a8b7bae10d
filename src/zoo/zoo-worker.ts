import { openBackend } from '../backend/index.js';
import type { Reference } from '../reference/index.js';
import type { NamedTensors } from '../tensors/index.js';
import { serveThread } from '../threads/index.js';
import { type FineTuned, fineTuneSteered } from './fine-tune-steered.js';
import { fineTuneReference, setEncoder, setHead } from './pool.js';
import type { Steering } from './steering-hook.js';
import { measureStepTimes, type StepTimes, type Timed } from './step-cost.js';
import { firstSamples, type Task } from './task.js';
import { evaluateSamples, type Recipe, type SampleEvaluations } from './train.js';
import { loadPoolTask, type TaskSource } from './variant-tasks.js';
import { transformerShape, VisionTransformer } from './vision-transformer.js';

export interface EvaluateJob {
  readonly kind: 'evaluate';
  readonly source: TaskSource;
  /** name */
  readonly task: string;
  readonly part: 'test' | 'calibration';
  /** the first so many; null: all */
  readonly samples: number | null;
  readonly encoder: NamedTensors;
  readonly head: NamedTensors;
}

export interface FineTuneJob {
  readonly kind: 'fine-tune';
  readonly base: NamedTensors;
  readonly task: Task;
  readonly recipe: Recipe;
  readonly seed: number;
}

export interface SteeredJob extends Omit<FineTuneJob, 'kind'> {
  readonly kind: 'fine-tune steered';
  readonly steering: Steering;
}

export interface StepTimesJob {
  readonly kind: 'step times';
  readonly base: NamedTensors;
  readonly timed: Timed;
}

/** `open` does nothing but start the thread and its backend. */
export type ZooJob = { readonly kind: 'open' } | EvaluateJob | FineTuneJob | SteeredJob | StepTimesJob;
export type ZooOutput = SampleEvaluations | Reference | FineTuned | StepTimes | null;

/** By source and name: every task is read once. */
const tasks = new Map<string, Promise<Task>>();
/** By their shape as JSON. */
const models = new Map<string, VisionTransformer>();
let opening: Promise<unknown> | null = null;

/** The thread's side of ZooEvaluators. */
serveThread(async (job: ZooJob): Promise<ZooOutput> => {
  opening ??= openBackend('wasm');
  await opening;
  switch (job.kind) {
    case 'open':
      return null;
    case 'evaluate':
      return evaluateJob(modelFor(job.encoder), job);
    case 'fine-tune':
      return fineTuneReference(modelFor(job.base), job.base, job.task, job.recipe, job.seed);
    case 'fine-tune steered':
      return fineTuneSteered(modelFor(job.base), job.base, job.task, job.recipe, job.seed, job.steering);
    case 'step times':
      return measureStepTimes(job.base, job.timed);
  }
});

function modelFor(encoder: NamedTensors): VisionTransformer {
  const shape = transformerShape(encoder);
  const key = JSON.stringify(shape);
  const model = models.get(key) ?? new VisionTransformer(shape, 0);
  models.set(key, model);
  return model;
}

async function evaluateJob(model: VisionTransformer, job: EvaluateJob): Promise<SampleEvaluations> {
  const task = await taskOf(job.source, job.task);
  setEncoder(model, job.encoder);
  setHead(model, task, job.head);
  try {
    return await evaluateSamples(model, task, firstSamples(task[job.part], job.samples ?? undefined));
  } finally {
    model.removeHead(task.name);
  }
}

function taskOf(source: TaskSource, name: string): Promise<Task> {
  const key = JSON.stringify([source.data, source.seed, name]);
  const task = tasks.get(key) ?? loadPoolTask(source, name);
  tasks.set(key, task);
  return task;
}
