import { openBackend } from '../backend/index.js';
import type { Reference } from '../reference/index.js';
import type { NamedTensors } from '../tensors/index.js';
import { serveThread } from '../threads/index.js';
import { fineTuneReference, setEncoder, setHead } from './pool.js';
import { firstSamples, type Task } from './task.js';
import { evaluateSamples, type Recipe, type SampleEvaluations } from './train.js';
import { loadPoolTask, type TaskSource } from './variant-tasks.js';
import { VisionTransformer, ZOO_SHAPE } from './vision-transformer.js';

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

/** `open` does nothing but start the thread and its backend. */
export type ZooJob = { readonly kind: 'open' } | EvaluateJob | FineTuneJob;

/** By source and name: every task is read once. */
const tasks = new Map<string, Promise<Task>>();
let opening: Promise<VisionTransformer> | null = null;

/** The thread's side of ZooEvaluators. */
serveThread(async (job: ZooJob): Promise<SampleEvaluations | Reference | null> => {
  opening ??= open();
  const model = await opening;
  switch (job.kind) {
    case 'open':
      return null;
    case 'evaluate':
      return evaluateJob(model, job);
    case 'fine-tune':
      return fineTuneReference(model, job.base, job.task, job.recipe, job.seed);
  }
});

async function open(): Promise<VisionTransformer> {
  await openBackend('wasm');
  return new VisionTransformer(ZOO_SHAPE, 0);
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
