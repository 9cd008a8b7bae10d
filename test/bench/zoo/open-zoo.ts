import { createHash } from 'node:crypto';
import type { Reference } from '../../../src/reference/index.js';
import { baseIdentity, type NamedTensors } from '../../../src/tensors/index.js';
import { digest } from '../../../src/zoo/demo-tasks.js';
import { type FineTuner, type OnProgress, preparePool, type Recipes } from '../../../src/zoo/pool.js';
import type { Task } from '../../../src/zoo/task.js';
import {
  loadPoolTask,
  loadPretraining,
  type PoolNames,
  type TaskSource,
} from '../../../src/zoo/variant-tasks.js';

/** A task, its model, and what makes results that have to do with it different. */
export interface ZooModel {
  readonly name: string;
  readonly task: Task;
  readonly reference: Reference;
  readonly head: NamedTensors;
  /** stands for base, weights and images */
  readonly identity: string;
}

export interface Zoo {
  readonly base: NamedTensors;
  readonly models: readonly ZooModel[];
}

export interface OpenZooOptions extends TaskSource, PoolNames {
  readonly recipes: Recipes;
  readonly cache: string | null;
  readonly fineTuner: FineTuner;
  readonly onProgress: OnProgress;
}

/** Trains the base and the pool's models, as far as the cache does not hold them. */
export async function openZoo(options: OpenZooOptions): Promise<Zoo> {
  const { seed, recipes, cache, fineTuner, onProgress } = options;
  const pretraining = await loadPretraining(options, options);
  const tasks = await Promise.all(options.pool.map((name) => loadPoolTask(options, name)));
  const { base, references } = await preparePool({
    pretraining,
    references: tasks,
    seed,
    source: digest(pretraining),
    cache,
    recipes,
    fineTuner,
    onProgress,
  });
  const baseHash = baseIdentity(base);
  const models = references.map((reference, index): ZooModel => {
    const task = tasks[index]!;
    const head = reference.head as NamedTensors;
    const parts = [baseHash, baseIdentity(reference.tau), baseIdentity(head), digest([task])];
    const identity = createHash('sha256').update(parts.join()).digest('hex');
    return { name: task.name, task, reference, head, identity };
  });
  return { base, models };
}
