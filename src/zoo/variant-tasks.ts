import { MergeguardError, Random } from '../tensors/index.js';
import { DRAWN_PRETRAINING_NAMES, DRAWN_TASK_NAMES, drawnTask } from './drawn-tasks.js';
import { firstHalf, firstSamples, pick, sampleCount, type Task } from './task.js';
import { CALIBRATION, readTask, taskNames } from './task-files.js';
import { VARIANTS, type Variant } from './variants.js';

/** Where the tasks of a pool come from. */
export interface TaskSource {
  /** folder of task files; null: drawn tasks */
  readonly data: string | null;
  /** of the drawn tasks, and of the split into training and calibration samples */
  readonly seed: number;
}

export interface PoolNames {
  /** what the base is trained on; of tasks that are in the pool too only the first half of the training samples */
  readonly pretraining: readonly string[];
  /** tasks to fine-tune a model for */
  readonly pool: readonly string[];
}

/** Task files whose name begins with this train the base and are in no pool. */
const ALPHABET = 'omniglot-';

/**
 * Variants that fill a pool, in this order for one task; the next task begins one further on. Inverted images come last: a base
 * that has never seen any has to be changed so much for them that hardly anything of a merge is left.
 */
const FILLING = [
  'turned',
  'low',
  'parity',
  'mirrored',
  'high',
  'turned-mirrored',
  'inverted',
  'turned-inverted',
  'mirrored-inverted',
  'turned-mirrored-inverted',
];

/** Training samples that a variant must keep: with fewer it may have none left to calibrate on. */
const LEAST_KEPT = 50;

export interface PoolNamesOptions {
  /** folder of task files; null: drawn tasks */
  readonly data: string | null;
  /** tasks in the pool */
  readonly count: number;
  /** so many will do where there are no more; defaults to `count` */
  readonly least?: number;
  /** variants that come before the others, suffixes such as `inverted`; defaults to none */
  readonly first?: readonly string[];
}

/**
 * Names of the tasks of a pool of `count`. From a folder: alphabets, `omniglot-*`, train the base (without any, the other tasks
 * do), the others are the pool, filled up with their variants. Drawn tasks have tasks of their own for the base.
 * @throws MergeguardError where the folder has no task for the pool, or does not make so many
 */
export async function poolTaskNames(options: PoolNamesOptions): Promise<PoolNames> {
  const { data, count, least = count, first = [] } = options;
  const all = data === null ? DRAWN_TASK_NAMES : await taskNames(data);
  const originals = all.filter((name) => !name.startsWith(ALPHABET));
  if (originals.length === 0) {
    throw new MergeguardError(
      `${data} holds alphabets only (${ALPHABET}*), which train the base; add a file of another task for the pool`,
    );
  }
  const alphabets = data === null ? DRAWN_PRETRAINING_NAMES : all.filter((name) => name.startsWith(ALPHABET));
  const pretraining = alphabets.length > 0 ? alphabets : originals;
  const pool = originals.slice(0, count);
  if (pool.length < count) {
    const order = [...new Set([...first, ...FILLING])];
    for await (const name of variantNames(data, originals, order)) {
      pool.push(name);
      if (pool.length === count) {
        break;
      }
    }
  }
  if (pool.length < least) {
    throw new MergeguardError(
      `${data ?? 'the drawn tasks'} make a pool of ${pool.length} tasks at most (${pool.join(', ')}), ${least} are needed; ask for fewer or add task files`,
    );
  }
  return { pretraining, pool };
}

/** Every variant that there can be, in the order in which they fill a pool. */
async function* variantNames(
  data: string | null,
  originals: readonly string[],
  order: readonly string[],
): AsyncGenerator<string> {
  // Which variants there can be does not depend on how the samples are split.
  const source = { data, seed: 0 };
  const tasks = await Promise.all(originals.map((name) => loadWhole(source, name)));
  for (let round = 0; round < order.length; round++) {
    for (const [index, task] of tasks.entries()) {
      const suffix = order[(index + round) % order.length];
      const name = `${task.name}-${suffix}`;
      if (!originals.includes(name) && applicable(task, suffix.split('-').map(variantOf))) {
        yield name;
      }
    }
  }
}

function applicable(task: Task, variants: readonly Variant[]): boolean {
  if (variants.some(({ classes }) => task.classes < classes)) {
    return false;
  }
  const { train, calibration, test } = variants.reduce((from, variant) => variant.apply(from), task);
  return sampleCount(train) + sampleCount(calibration) >= LEAST_KEPT && sampleCount(test) > 0;
}

/**
 * A task by name: of the folder or drawn, or a variant of one, such as `mnist-turned`, `mnist-low-inverted`. Calibration
 * samples of no task are training samples of another one, variants included. Test samples are in a random order, so that the
 * first so many stand for all.
 * @throws MergeguardError for a name that is none, and a task that has no such variant
 */
export async function loadPoolTask(source: TaskSource, name: string): Promise<Task> {
  const all =
    source.data === null ? [...DRAWN_TASK_NAMES, ...DRAWN_PRETRAINING_NAMES] : await taskNames(source.data);
  const { original, variants } = parse(name, all);
  let task = await loadWhole(source, original);
  for (const variant of variants) {
    if (task.classes < variant.classes) {
      throw new MergeguardError(
        `task "${name}": ${variant.suffix} needs ${variant.classes} classes, ${original} has ${task.classes}`,
      );
    }
    task = variant.apply(task);
  }
  const empty = (['train', 'calibration', 'test'] as const).filter((part) => sampleCount(task[part]) === 0);
  if (empty.length > 0) {
    throw new MergeguardError(
      `task "${name}" has no ${empty.join(' and no ')} samples; ${original} has too few for this variant`,
    );
  }
  return { ...task, name, calibration: firstSamples(task.calibration, CALIBRATION) };
}

/**
 * The tasks that a base is trained on, where the pool's are known.
 * @returns tasks with the first half of the training samples only where they are in the pool too
 */
export async function loadPretraining(source: TaskSource, { pretraining, pool }: PoolNames): Promise<Task[]> {
  return Promise.all(
    pretraining.map(async (name) => {
      const task = await loadPoolTask(source, name);
      return pool.includes(name) ? { ...task, train: firstHalf(task.train) } : task;
    }),
  );
}

/** With twice the calibration samples that a task has, so that half of its classes still have enough. */
async function loadWhole({ data, seed }: TaskSource, name: string): Promise<Task> {
  const task = data === null ? drawnTask(seed, name) : await readTask(data, name, seed, 2 * CALIBRATION);
  const order = new Random('test', name, seed).permutation(sampleCount(task.test));
  return { ...task, test: pick(task.test, order) };
}

function parse(name: string, all: readonly string[]): { original: string; variants: Variant[] } {
  let original = name;
  const variants: Variant[] = [];
  while (!all.includes(original)) {
    const variant = VARIANTS.find(({ suffix }) => original.endsWith(`-${suffix}`));
    if (variant === undefined) {
      const suffixes = VARIANTS.map(({ suffix }) => `-${suffix}`).join(', ');
      throw new MergeguardError(
        `there is no task "${name}"; there are ${all.join(', ')}, and each with ${suffixes}`,
      );
    }
    variants.unshift(variant);
    original = original.slice(0, -variant.suffix.length - 1);
  }
  return { original, variants };
}

function variantOf(suffix: string): Variant {
  return VARIANTS.find((variant) => variant.suffix === suffix) as Variant;
}
