import { mean } from '../../../src/fingerprint/statistics.js';
import { type OverSeeds, overSeeds } from '../common/over-seeds.js';
import { type Interval, intervalOf, resampledTasks } from '../common/task-bootstrap.js';
import { meanCost } from './analyse-pools.js';
import { onceEach, type TaskCounts, taskMean } from './pool-means.js';
import type { LiveResult, LiveTable, StepCost } from './steer-table.js';

/** One way to train the live model, against plain training; fractions, not points, mean over live tasks and references. */
export interface LiveFigures {
  readonly id: string;
  readonly title: string;
  /** of the live model alone */
  readonly single: OverSeeds;
  readonly singleDelta: OverSeeds;
  /** of both tasks after merging, by method, and its mean over the methods */
  readonly raw: Readonly<Record<string, OverSeeds>>;
  readonly rawMean: OverSeeds;
  readonly rawDelta: Readonly<Record<string, OverSeeds>>;
  /** what the live task loses by merging: alone minus merged */
  readonly loss: OverSeeds;
  /** share of that loss in plain training that is gone, over live tasks; null where plain training loses nothing */
  readonly lossClosed: Interval | null;
  /** the same, seed by seed */
  readonly lossClosedSeeds: OverSeeds;
  /** of the references' tasks after merging, against merging with the plain live model */
  readonly referencesDelta: OverSeeds;
  /** of a whole training, over the steps of plain training */
  readonly gradientEvaluations: number;
  readonly stepCost: StepCost | null;
  readonly warnings: readonly string[];
}

export interface LiveReport {
  readonly seeds: readonly number[];
  readonly tasks: readonly string[];
  readonly references: readonly string[];
  readonly methods: readonly string[];
  /** plain training first */
  readonly variants: readonly LiveFigures[];
}

/** @param seeds tables of the same live tasks, references, methods and variants */
export function analyseLive(
  seeds: readonly { readonly seed: number; readonly live: LiveTable }[],
  resamples: number,
): LiveReport {
  const tables = seeds.map(({ live }) => live);
  const { methods, references, variants } = tables[0]!;
  const tasks = variants[0]!.lives.map(({ task }) => task);
  const once = onceEach(tasks);
  const plains = tables.map((table) => table.variants[0]!.lives);
  return {
    seeds: seeds.map(({ seed }) => seed),
    tasks,
    references,
    methods,
    variants: variants.map(({ id, title }): LiveFigures => {
      const found = tables.map((table) => table.variants.find((variant) => variant.id === id)!);
      const steered = found.map(({ lives }) => lives);
      const over = (of: (lives: readonly LiveResult[]) => number) => overSeeds(steered.map(of));
      const delta = (of: (lives: readonly LiveResult[]) => number) =>
        overSeeds(steered.map((lives, i) => of(lives) - of(plains[i]!)));
      const byMethod = (of: (method: string) => OverSeeds) =>
        Object.fromEntries(methods.map((method) => [method, of(method)]));
      const closed = (counts: TaskCounts) => lossClosed(steered, plains, methods, counts);
      const value = closed(once);
      const draws = [...resampledTasks(tasks, resamples)].flatMap((counts) => closed(counts) ?? []);
      return {
        id,
        title,
        single: over(singleOf),
        singleDelta: delta(singleOf),
        raw: byMethod((method) => over((lives) => rawOf(lives, [method]))),
        rawMean: over((lives) => rawOf(lives, methods)),
        rawDelta: byMethod((method) => delta((lives) => rawOf(lives, [method]))),
        loss: over((lives) => mean(lives.map((live) => lossOf(live, methods)))),
        lossClosed: value === null ? null : intervalOf(value, draws, tasks.length),
        lossClosedSeeds: overSeeds(
          steered.map((lives, i) => lossClosed([lives], [plains[i]!], methods, once)),
        ),
        referencesDelta: delta((lives) => referencesOf(lives, methods)),
        gradientEvaluations: mean(found.map(({ gradientEvaluations }) => gradientEvaluations)),
        stepCost: meanCost(found.map(({ stepCost }) => stepCost)),
        warnings: [...new Set(found.flatMap(({ warnings }) => warnings))],
      };
    }),
  };
}

function singleOf(lives: readonly LiveResult[]): number {
  return mean(lives.map(({ single }) => single));
}

/** Mean of both tasks. */
function rawOf(lives: readonly LiveResult[], methods: readonly string[]): number {
  return overMerges(lives, methods, (live, reference) => [live, reference]);
}

function referencesOf(lives: readonly LiveResult[], methods: readonly string[]): number {
  return overMerges(lives, methods, (_, reference) => [reference]);
}

function overMerges(
  lives: readonly LiveResult[],
  methods: readonly string[],
  tasks: (live: string, reference: string) => string[],
): number {
  return mean(
    lives.flatMap(({ task, pairs }) =>
      pairs.flatMap(({ reference, merges }) =>
        methods.map((method) => taskMean(merges[method]!, tasks(task, reference))),
      ),
    ),
  );
}

/** What the live task loses, mean over references and methods. */
function lossOf(live: LiveResult, methods: readonly string[]): number {
  return live.single - overMerges([live], methods, (task) => [task]);
}

/** 1 minus the loss steered over the loss plain, seeds of a task together; null where plain training loses nothing. */
function lossClosed(
  steered: readonly (readonly LiveResult[])[],
  plain: readonly (readonly LiveResult[])[],
  methods: readonly string[],
  counts: TaskCounts,
): number | null {
  const total = (seeds: readonly (readonly LiveResult[])[]) =>
    seeds.flat().reduce((sum, live) => sum + (counts.get(live.task) ?? 0) * lossOf(live, methods), 0);
  const before = total(plain);
  return before <= 0 ? null : 1 - total(steered) / before;
}
