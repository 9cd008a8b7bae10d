import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Reference, readReference, writeReference } from '../../../src/reference/index.js';
import { baseIdentity, MergeguardError, type NamedTensors } from '../../../src/tensors/index.js';
import { cachedFile } from '../../../src/zoo/cached-file.js';
import { digest } from '../../../src/zoo/demo-tasks.js';
import { preparePool, type Recipes } from '../../../src/zoo/pool.js';
import type { Steering } from '../../../src/zoo/steering-hook.js';
import type { Task } from '../../../src/zoo/task.js';
import type { Recipe } from '../../../src/zoo/train.js';
import {
  loadPoolTask,
  loadPretraining,
  type PoolNames,
  type TaskSource,
} from '../../../src/zoo/variant-tasks.js';
import type { ZooEvaluators } from '../../../src/zoo/zoo-evaluators.js';

/** Raised when training comes to mean something else, so that the models in a cache are made again. */
const FORMAT = 1;

/** A fine-tuned model, and what makes results that have to do with it different. */
export interface TrainedModel {
  /** of its task */
  readonly name: string;
  readonly task: Task;
  readonly reference: Reference;
  readonly head: NamedTensors;
  /** stands for base, weights and images */
  readonly identity: string;
  readonly steps: number;
  readonly gradientEvaluations: number;
  readonly warnings: readonly string[];
}

export interface ModelsOptions extends TaskSource, PoolNames {
  /** shape and pretraining are the base's; its fine-tuning only names the base's place in the cache */
  readonly recipes: Recipes;
  /** null: nothing is kept */
  readonly cache: string | null;
  readonly evaluators: ZooEvaluators;
  readonly onPretrain: (done: number, total: number) => void;
}

/** The base, the tasks, and models fine-tuned for them in any way, each trained once and kept. */
export class Models {
  readonly base: NamedTensors;
  readonly tasks: readonly Task[];
  readonly #baseHash: string;
  readonly #seed: number;
  readonly #folder: string | null;
  readonly #evaluators: ZooEvaluators;

  private constructor(
    base: NamedTensors,
    tasks: readonly Task[],
    folder: string | null,
    { seed, evaluators }: ModelsOptions,
  ) {
    this.base = base;
    this.tasks = tasks;
    this.#baseHash = baseIdentity(base);
    this.#seed = seed;
    this.#folder = folder;
    this.#evaluators = evaluators;
  }

  /** Trains the base where the cache does not hold it. @throws MergeguardError where the cache's folder can't be made */
  static async open(options: ModelsOptions): Promise<Models> {
    const { seed, recipes, cache } = options;
    const pretraining = await loadPretraining(options, options);
    const tasks = await Promise.all(options.pool.map((name) => loadPoolTask(options, name)));
    const { base } = await preparePool({
      pretraining,
      references: [],
      seed,
      source: digest(pretraining),
      cache,
      recipes,
      onProgress: (_, done, total) => options.onPretrain(done, total),
    });
    const folder = cache === null ? null : join(cache, 'steer-bench', 'models');
    if (folder !== null) {
      await mkdir(folder, { recursive: true });
    }
    return new Models(base, tasks, folder, options);
  }

  /** A model fine-tuned from the base, from the cache where it holds it. */
  async train(task: Task, recipe: Recipe, steering: Steering): Promise<TrainedModel> {
    const { terms } = steering;
    const references = terms.length > 0 ? (steering.references ?? []) : [];
    const parts = [
      FORMAT,
      this.#baseHash,
      digest([task]),
      this.#seed,
      recipe,
      terms,
      references.map(({ tau }) => baseIdentity(tau)),
    ];
    const key = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
    const reference = await cachedFile(this.#folder, `${task.name}-${key}.reference.safetensors`, {
      read: (path) => this.#read(path),
      make: () => this.#make(task, recipe, steering),
      write: (path, made) => writeReference(path, made),
    });
    return this.#trained(task, reference, recipe.steps);
  }

  async #make(task: Task, recipe: Recipe, steering: Steering): Promise<Reference> {
    const { reference, gradientEvaluations, warnings } = await this.#evaluators.fineTuneSteered(
      this.base,
      task,
      recipe,
      this.#seed,
      steering,
    );
    return { ...reference, madeBy: { ...reference.madeBy, gradientEvaluations, warnings } };
  }

  async #read(path: string): Promise<Reference> {
    const reference = await readReference(path);
    if (reference.baseHash !== this.#baseHash) {
      throw new MergeguardError(`${path} was fine-tuned from another base than the cache holds`);
    }
    return reference;
  }

  #trained(task: Task, reference: Reference, steps: number): TrainedModel {
    const head = reference.head as NamedTensors;
    const parts = [this.#baseHash, baseIdentity(reference.tau), baseIdentity(head), digest([task])];
    return {
      name: task.name,
      task,
      reference,
      head,
      identity: createHash('sha256').update(parts.join()).digest('hex'),
      steps,
      gradientEvaluations: reference.madeBy.gradientEvaluations as number,
      warnings: reference.madeBy.warnings as string[],
    };
  }
}
