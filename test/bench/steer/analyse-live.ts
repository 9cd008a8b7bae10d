import { mean } from '../../../src/fingerprint/statistics.js';
import { type OverSeeds, overSeeds } from '../common/over-seeds.js';
import { intervalOf, LEAST_TASKS, resampledTasks } from '../common/task-bootstrap.js';
import { meanCost } from './analyse-pools.js';
import { onceEach, type TaskCounts, taskMean } from './pool-means.js';
import type { LiveResult, LiveTable, LiveVariant, StepCost } from './steer-table.js';

/** What one way to train the live model changes against another; fractions, not points, mean over live tasks and references. */
export interface LiveGains {
  /** title of the other */
  readonly control: string;
  /** of the live model alone */
  readonly single: OverSeeds;
  /** of both tasks after merging, by method */
  readonly raw: Readonly<Record<string, OverSeeds>>;
  /** null where the control loses nothing by merging */
  readonly lossClosed: LossClosed | null;
  /** of the references' tasks after merging, against merging with the control */
  readonly references: OverSeeds;
}

/**
 * What the live task has more in the merge, over what the control loses there: alone minus merged. Against the control's accuracy alone, so
 * that a live model that is worse alone closes nothing by it.
 */
export interface LossClosed {
  readonly value: number;
  /** over live tasks, [low, high]; null where they are too few */
  readonly interval: readonly [number, number] | null;
  /** standard deviation over the seeds; null for a single one */
  readonly spread: number | null;
}

/** One way to train the live model. */
export interface LiveFigures {
  readonly id: string;
  readonly title: string;
  readonly learningRate: number;
  /** plain training, which others are held against */
  readonly isPlain: boolean;
  /** of the live model alone */
  readonly single: OverSeeds;
  /** of both tasks after merging, by method, and its mean over the methods */
  readonly raw: Readonly<Record<string, OverSeeds>>;
  readonly rawMean: OverSeeds;
  /** what the live task loses by merging: alone minus merged */
  readonly loss: OverSeeds;
  /** against plain training by the same steps and step size */
  readonly againstOwnPlain: LiveGains;
  /** against the benchmark's plain training */
  readonly againstPlain: LiveGains;
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
  /** plain training first, of which the first is the benchmark's */
  readonly variants: readonly LiveFigures[];
}

/** @param seeds tables of the same live tasks, references, methods and variants */
export function analyseLive(
  seeds: readonly { readonly seed: number; readonly live: LiveTable }[],
  resamples: number,
): LiveReport {
  const tables = seeds.map(({ live }) => live);
  const { methods, references, variants } = tables[0]!;
  const found = (id: string) => tables.map((table) => table.variants.find((variant) => variant.id === id)!);
  const gains = (id: string, control: string) => gainsOf(found(id), found(control), methods, resamples);
  return {
    seeds: seeds.map(({ seed }) => seed),
    tasks: variants[0]!.lives.map(({ task }) => task),
    references,
    methods,
    variants: variants.map(({ id, title, learningRate, ownPlain }): LiveFigures => {
      const seedsOf = found(id);
      const over = (of: (lives: readonly LiveResult[]) => number) =>
        overSeeds(seedsOf.map(({ lives }) => of(lives)));
      return {
        id,
        title,
        learningRate,
        isPlain: id === ownPlain,
        single: over(singleOf),
        raw: byMethod(methods, (method) => over((lives) => rawOf(lives, [method]))),
        rawMean: over((lives) => rawOf(lives, methods)),
        loss: over((lives) => mean(lives.map((live) => live.single - mergedOf(live, methods)))),
        againstOwnPlain: gains(id, ownPlain),
        againstPlain: gains(id, variants[0]!.id),
        gradientEvaluations: mean(seedsOf.map(({ gradientEvaluations }) => gradientEvaluations)),
        stepCost: meanCost(seedsOf.map(({ stepCost }) => stepCost)),
        warnings: [...new Set(seedsOf.flatMap(({ warnings }) => warnings))],
      };
    }),
  };
}

/** @param steered seeds of it, in the order of the control's */
function gainsOf(
  steered: readonly LiveVariant[],
  control: readonly LiveVariant[],
  methods: readonly string[],
  resamples: number,
): LiveGains {
  const delta = (of: (lives: readonly LiveResult[]) => number) =>
    overSeeds(steered.map(({ lives }, i) => of(lives) - of(control[i]!.lives)));
  return {
    control: control[0]!.title,
    single: delta(singleOf),
    raw: byMethod(methods, (method) => delta((lives) => rawOf(lives, [method]))),
    lossClosed: lossClosed(steered, control, methods, resamples),
    references: delta((lives) => referencesOf(lives, methods)),
  };
}

function byMethod<Value>(methods: readonly string[], of: (method: string) => Value): Record<string, Value> {
  return Object.fromEntries(methods.map((method) => [method, of(method)]));
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

/** The live task after merging, mean over references and methods. */
function mergedOf(live: LiveResult, methods: readonly string[]): number {
  return overMerges([live], methods, (task) => [task]);
}

function lossClosed(
  steered: readonly LiveVariant[],
  control: readonly LiveVariant[],
  methods: readonly string[],
  resamples: number,
): LossClosed | null {
  const tasks = control[0]!.lives.map(({ task }) => task);
  const once = onceEach(tasks);
  const share = (counts: TaskCounts) => shareClosed(steered, control, methods, counts);
  const value = share(once);
  if (value === null) {
    return null;
  }
  const seeds = steered.map((seed, i) => shareClosed([seed], [control[i]!], methods, once));
  return { value, interval: overTasks(value, tasks, share, resamples), spread: overSeeds(seeds).spread };
}

function overTasks(
  value: number,
  tasks: readonly string[],
  share: (counts: TaskCounts) => number | null,
  resamples: number,
): [number, number] | null {
  if (tasks.length < LEAST_TASKS) {
    return null;
  }
  const draws = [...resampledTasks(tasks, resamples)].flatMap((counts) => share(counts) ?? []);
  const { low, high } = intervalOf(value, draws, tasks.length);
  return [low, high];
}

/** Seeds of a task together; null where the control loses nothing. */
function shareClosed(
  steered: readonly LiveVariant[],
  control: readonly LiveVariant[],
  methods: readonly string[],
  counts: TaskCounts,
): number | null {
  const total = (seeds: readonly LiveVariant[], of: (live: LiveResult) => number) =>
    seeds
      .flatMap(({ lives }) => lives)
      .reduce((sum, live) => sum + (counts.get(live.task) ?? 0) * of(live), 0);
  const merged = (live: LiveResult) => mergedOf(live, methods);
  const before = total(control, merged);
  const loss = total(control, ({ single }) => single) - before;
  return loss <= 0 ? null : (total(steered, merged) - before) / loss;
}
