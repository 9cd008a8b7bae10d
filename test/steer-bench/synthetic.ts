import type {
  LiveResult,
  LiveTable,
  MergeResult,
  PoolResult,
  PoolTable,
} from '../bench/steer/steer-table.js';

export const TASKS = ['ant', 'bee', 'cat', 'dog', 'eel', 'fox'];
export const METHODS = ['weight_avg', 'ties'];

export interface SyntheticPool {
  readonly title?: string;
  readonly steps?: number;
  readonly learningRate?: number;
  readonly gradientEvaluations?: number;
  /** accuracy of a task's model alone */
  readonly single: (task: string) => number;
  /** of a task after merging with others */
  readonly merged: (task: string, method: string, partner: string | null) => number;
  /** of pairs on calibration samples; defaults to the merged accuracy */
  readonly calibration?: number;
  readonly warnings?: readonly string[];
}

/** A pool whose accuracies are given by functions. */
export function poolOf(pool: SyntheticPool, methods: readonly string[] = METHODS): PoolResult {
  const merge = (tasks: readonly string[], method: string): MergeResult => {
    const accuracy = Object.fromEntries(
      tasks.map((task) => {
        const partner = tasks.length === 2 ? tasks.find((other) => other !== task)! : null;
        return [task, pool.merged(task, method, partner)];
      }),
    );
    const values = Object.values(accuracy);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return { coefficient: 1, calibration: { accuracy: pool.calibration ?? mean, loss: 1 - mean }, accuracy };
  };
  const merges = (tasks: readonly string[]) =>
    Object.fromEntries(methods.map((method) => [method, merge(tasks, method)]));
  return {
    title: pool.title ?? 'a pool',
    steps: pool.steps ?? 600,
    learningRate: pool.learningRate ?? 5e-4,
    gradientEvaluations: pool.gradientEvaluations ?? 1,
    single: Object.fromEntries(TASKS.map((task) => [task, pool.single(task)])),
    pairs: TASKS.flatMap((a, i) => TASKS.slice(i + 1).map((b) => ({ a, b, merges: merges([a, b]) }))),
    all: merges(TASKS),
    warnings: pool.warnings ?? [],
  };
}

/** A table with plain training, one control and one variant called `default`; own: plain training by its step size. */
export function poolTableOf(
  plain: PoolResult,
  control: PoolResult,
  steered: PoolResult,
  own = plain,
): PoolTable {
  return {
    headline: METHODS,
    results: { plain, 'plain-800': control, own, default: steered },
    variants: [
      {
        id: 'default',
        title: 'the default',
        control: 'plain-800',
        ownPlain: 'own',
        stepCost: { ratio: 1.3, plainMs: 40, steeredMs: 52 },
      },
    ],
  };
}

/** Live models of the tasks against two references. */
export function livesOf(
  single: number,
  live: number,
  reference: number,
  tasks = TASKS.slice(0, 4),
): LiveResult[] {
  return tasks.map((task) => ({
    task,
    single,
    pairs: ['eel', 'fox'].map((other) => ({
      reference: other,
      merges: Object.fromEntries(
        METHODS.map((method): [string, MergeResult] => [
          method,
          {
            coefficient: 1,
            calibration: { accuracy: 1, loss: 0 },
            accuracy: { [task]: live, [other]: reference },
          },
        ]),
      ),
    })),
  }));
}

/** @param own of plain training by the step size of the steered ones */
export function liveTableOf(plain: LiveResult[], own: LiveResult[], steered: LiveResult[]): LiveTable {
  const common = { gradientEvaluations: 1, warnings: [] };
  return {
    methods: METHODS,
    references: ['eel', 'fox'],
    variants: [
      {
        ...common,
        id: 'plain',
        title: 'plain',
        learningRate: 7e-4,
        ownPlain: 'plain',
        stepCost: null,
        lives: plain,
      },
      {
        ...common,
        id: 'plain-600-0.001',
        title: 'plain, 600 steps at 0.001',
        learningRate: 1e-3,
        ownPlain: 'plain-600-0.001',
        stepCost: null,
        lives: own,
      },
      {
        ...common,
        id: 'jitter',
        title: 'jitter',
        learningRate: 1e-3,
        ownPlain: 'plain-600-0.001',
        stepCost: { ratio: 2, plainMs: 40, steeredMs: 80 },
        lives: steered,
        warnings: ['it said something'],
      },
    ],
  };
}
