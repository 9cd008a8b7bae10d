import { type Reference, readReference, tauOf } from '../reference/index.js';
import { type NamedTensors, readCheckpoint } from '../tensors/index.js';
import { digest } from '../zoo/demo-tasks.js';
import { loadPoolTask, type Task, type TaskSource } from '../zoo/index.js';
import type { CalibrationPool } from './pool.js';

/** A zoo model in memory. */
export interface ZooModel {
  readonly reference: Reference;
  readonly tau: NamedTensors;
  readonly head: NamedTensors;
  readonly task: Task;
  /** stands for the samples of the task */
  readonly samples: string;
}

export interface ZooModels {
  /** the encoder that all were fine-tuned from */
  readonly base: NamedTensors;
  /** in the order of the pool */
  readonly models: readonly ZooModel[];
}

/** @throws MergeguardError where the base, a model or a task can't be read */
export async function openZooModels(pool: CalibrationPool, source: TaskSource): Promise<ZooModels> {
  const base = await readCheckpoint(pool.base);
  const models: ZooModel[] = [];
  for (const { path, task: name } of pool.models) {
    const reference = await readReference(path);
    const task = await loadPoolTask(source, name);
    models.push({
      reference,
      tau: new Map(
        [...base].map(([tensor, { shape }]) => [tensor, tauOf(reference, { name: tensor, shape })]),
      ),
      // the pool was refused where one has none
      head: reference.head!,
      task,
      samples: digest([task]),
    });
  }
  return { base, models };
}
