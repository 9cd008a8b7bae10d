import { createHash } from 'node:crypto';
import { listProblems, MergeguardError } from '../tensors/index.js';
import { DRAWN_TASK_NAMES, drawnPretrainingTasks, drawnTasks } from './drawn-tasks.js';
import { firstHalf, type Task } from './task.js';
import { readTask, taskNames } from './task-files.js';

/** Which tasks a demo is about. */
export interface TaskChoice {
  /** folder of task files; null: drawn tasks */
  readonly data: string | null;
  /** live task; null: the first of the defaults */
  readonly task: string | null;
  /** reference tasks; null: the defaults */
  readonly references: readonly string[] | null;
  readonly seed: number;
}

const DEFAULT_TASK = 'curves';
const DEFAULT_REFERENCES = ['glyphs-aster', 'glyphs-birch', 'arrows', 'gratings'];

/** Names of the tasks of one demo. */
export interface TaskNames {
  readonly live: string;
  readonly references: readonly string[];
  /** every task there is */
  readonly all: readonly string[];
}

/** @throws MergeguardError naming every task that does not exist */
export async function chooseTasks({ data, task, references }: TaskChoice): Promise<TaskNames> {
  const all = data === null ? DRAWN_TASK_NAMES : await taskNames(data);
  const live = task ?? (data === null ? DEFAULT_TASK : all[0]);
  const chosen =
    references ?? (data === null ? DEFAULT_REFERENCES : all.filter((name) => name !== live).slice(0, 4));
  const problems: string[] = [];
  const unknown = [...new Set([live, ...chosen])].filter((name) => !all.includes(name));
  if (unknown.length > 0) {
    const named = unknown.map((name) => `"${name}"`).join(', ');
    problems.push(`there is no task ${named}; there are ${all.join(', ')}`);
  }
  if (chosen.length === 0) {
    problems.push('there is no reference to merge with; a folder needs two task files or more');
  }
  if (chosen.includes(live)) {
    problems.push(`"${live}" is the live task and a reference; a model is not merged with its own task`);
  }
  if (new Set(chosen).size < chosen.length) {
    problems.push(`a reference is named twice: ${chosen.join(', ')}`);
  }
  if (problems.length > 0) {
    throw new MergeguardError(listProblems('the demo can not start:', problems));
  }
  return { live, references: chosen, all };
}

/** Stands for the tasks' contents, so that a cached model is of the very images that the folder holds now. */
export function digest(tasks: readonly Task[]): string {
  const hash = createHash('sha256');
  for (const { train, calibration, test } of tasks) {
    for (const { images, labels } of [train, calibration, test]) {
      hash.update(images).update(labels);
    }
  }
  return hash.digest('hex');
}

export async function loadTask({ data, seed }: TaskChoice, name: string): Promise<Task> {
  return data === null ? drawnTasks(seed, [name])[0] : readTask(data, name, seed);
}

/**
 * What the base is trained on: drawn glyphs of its own, or, from a folder, every task but the live one, and of
 * the references' tasks only the first half of the training images.
 */
export async function pretrainingTasks(
  options: TaskChoice,
  names: TaskNames,
  references: readonly Task[],
): Promise<Task[]> {
  if (options.data === null) {
    return drawnPretrainingTasks(options.seed);
  }
  const others = names.all.filter((name) => name !== names.live && !names.references.includes(name));
  const halves = references.map((task) => ({ ...task, train: firstHalf(task.train) }));
  return [...(await Promise.all(others.map((name) => loadTask(options, name)))), ...halves];
}
