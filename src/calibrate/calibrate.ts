import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { IndexPair } from '../at-rest/block-sums.js';
import type { GroupRow } from '../fingerprint/index.js';
import { sizeProblem } from '../fingerprint/table.js';
import { MergeguardError, someOf } from '../tensors/index.js';
import { CommandEvaluator } from './command-evaluator.js';
import type { Evaluator } from './evaluator.js';
import { type Failure, failureLines, failuresOf, subjectOf } from './failures.js';
import { Journal, writeError } from './journal.js';
import { lockFolder } from './lock.js';
import { measure, missing } from './measure.js';
import type { MetricsOptions, MetricsStage } from './metrics-options.js';
import { type MeasuredPair, OutcomeReader } from './outcomes.js';
import { pairMetrics } from './pair-metrics.js';
import { type Job, Plan, SELF_PROBE_SCALE } from './plan.js';
import type { CalibrationPool } from './pool.js';

export type Stage = 'models alone' | MetricsStage | 'merges';

export interface Progress {
  readonly stage: Stage;
  /** evaluations; parameters of weight metrics, pairs of metrics through the hook */
  readonly done: number;
  readonly total: number;
  /** what was just evaluated; empty where metrics are measured */
  readonly label: string;
}

export interface CalibrateOptions extends Pick<MetricsOptions, 'onFindings'> {
  /** the folder that keeps the journal, and merged checkpoints while they are evaluated; made where it is not there */
  readonly work: string;
  /** evaluations at a time; defaults to one a core in the zoo, and to one where a command evaluates */
  readonly workers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: Progress) => void;
  /** what a user should know, a sentence each, when it is found out */
  readonly onNotice?: (text: string) => void;
}

export interface Calibration {
  /** every pair of the pool, with null for what could not be measured */
  readonly pairs: readonly MeasuredPair[];
  readonly groups: readonly GroupRow[];
  /** evaluations that this run needed */
  readonly evaluations: {
    readonly total: number;
    /** of these, found in the journal */
    readonly reused: number;
    readonly failed: number;
  };
  readonly failures: readonly Failure[];
  /** what a reader of the table should know, a sentence each */
  readonly notes: readonly string[];
  readonly journal: string;
}

const JOURNAL = 'journal.jsonl';
const CHECKPOINTS = 'checkpoints';

/**
 * Merges and evaluates a pool: every model alone, every pair by every method, and groups, and computes the metrics of all
 * pairs. Whatever finishes is in the journal of the work folder at once, and is not done again by the next run.
 *
 * @throws MergeguardError where too little could be measured for a fit, there is no room on the disk, or another process works
 * in the work folder; what had finished is kept
 */
export async function calibrate(pool: CalibrationPool, options: CalibrateOptions): Promise<Calibration> {
  const { work } = options;
  try {
    await mkdir(work, { recursive: true });
  } catch (error) {
    throw writeError(`the work folder ${work}`, error);
  }
  const unlock = await lockFolder(work);
  const open: { close(): Promise<void> }[] = [{ close: unlock }];
  try {
    const journal = await Journal.open(join(work, JOURNAL));
    open.unshift(journal);
    const evaluator = await openEvaluator(pool, options);
    open.unshift(evaluator);
    return await new Run(pool, options, journal, evaluator).calibration();
  } finally {
    for (const each of open) {
      await each.close();
    }
  }
}

async function openEvaluator(pool: CalibrationPool, options: CalibrateOptions): Promise<Evaluator> {
  const { work, workers, signal } = options;
  const { zoo, command, timeLimitSeconds } = pool.evaluate;
  const cores = availableParallelism();
  if (zoo !== undefined) {
    const { ZooEvaluator } = await import('./zoo-evaluator.js');
    return ZooEvaluator.open(pool, zoo, workers ?? cores);
  }
  return CommandEvaluator.open({
    pool,
    command: command!,
    timeLimitSeconds,
    folder: join(work, CHECKPOINTS),
    workers: workers ?? 1,
    threads: Math.max(1, Math.floor(cores / (workers ?? 1))),
    signal,
  });
}

/** One calibration, its folder and its evaluator open. */
class Run {
  readonly #pool: CalibrationPool;
  readonly #options: CalibrateOptions;
  readonly #journal: Journal;
  readonly #evaluator: Evaluator;
  readonly #plan: Plan;
  readonly #outcomes: OutcomeReader;
  readonly #notes: string[];
  readonly #jobs: Job[] = [];
  #reused = 0;

  constructor(pool: CalibrationPool, options: CalibrateOptions, journal: Journal, evaluator: Evaluator) {
    this.#pool = pool;
    this.#options = options;
    this.#journal = journal;
    this.#evaluator = evaluator;
    this.#plan = new Plan(pool, evaluator);
    this.#outcomes = new OutcomeReader(pool, this.#plan, journal);
    this.#notes = [...pool.notices];
    if (journal.unreadable.length > 0) {
      const lines = someOf(journal.unreadable.map(String), 6);
      this.#notes.push(`lines ${lines} of ${journal.path} can not be read; what they said is measured again`);
    }
  }

  async calibration(): Promise<Calibration> {
    const { models, groups, selfProbe } = this.#pool;
    const places = [...models.keys()];
    const scales = selfProbe ? [1, SELF_PROBE_SCALE] : [1];
    await this.#measure(
      'models alone',
      places.flatMap((model) => scales.map((scale) => this.#plan.alone(model, scale))),
    );
    const hasOwn = (model: number) => this.#outcomes.alone(model) !== null;
    const lacking = places.filter((model) => !hasOwn(model)).map((model) => models[model]!.name);
    if (lacking.length > 0) {
      const them = lacking.length === 1 ? 'it' : 'them';
      this.#notes.push(`${lacking.join(', ')}: no accuracy alone, so that merges with ${them} are not made`);
    }
    const pairs = places.flatMap((a) => places.slice(a + 1).map((b): IndexPair => [a, b]));
    const usable = pairs.filter((pair) => pair.every(hasOwn));
    // What can not end in a fit is not begun.
    this.#refuseTooFew(usable);
    const { metrics, notes } = await this.#metrics(pairs);
    await this.#measure('merges', [
      ...this.#plan.pairs(usable),
      ...this.#plan.groups(groups.filter((group) => group.every(hasOwn))),
    ]);
    const outcomes = this.#outcomes.read(pairs, metrics);
    const failures = failuresOf(this.#jobs, this.#journal);
    return {
      pairs: outcomes.pairs,
      groups: outcomes.groups,
      evaluations: {
        total: evaluationsIn(this.#jobs),
        reused: this.#reused,
        failed: failures.reduce((sum, { count }) => sum + count, 0),
      },
      failures,
      notes: [...this.#notes, ...notes, ...outcomes.notes],
      journal: this.#journal.path,
    };
  }

  async #measure(stage: Stage, jobs: readonly Job[]): Promise<void> {
    const { signal, onProgress, onNotice } = this.#options;
    const all = evaluationsIn(jobs);
    const total = evaluationsIn(missing(jobs, this.#journal));
    this.#jobs.push(...jobs);
    if (total < all) {
      const advice =
        this.#reused === 0
          ? ' (a script or data that changed are not noticed: delete it to measure everything again)'
          : '';
      onNotice?.(
        `${stage}: ${all - total} of ${all} evaluations are known from ${this.#journal.path}${advice}`,
      );
    }
    this.#reused += all - total;
    let done = 0;
    await measure(jobs, {
      evaluator: this.#evaluator,
      journal: this.#journal,
      signal,
      onEvaluation: ({ about }) => {
        done += 1;
        onProgress?.({ stage, done, total, label: subjectOf(about) });
      },
    });
  }

  #metrics(pairs: readonly IndexPair[]) {
    const { onProgress, onFindings, signal } = this.#options;
    return pairMetrics(this.#pool, pairs, this.#journal, {
      threads: availableParallelism(),
      signal,
      ...(onFindings && { onFindings }),
      onProgress: (stage, done, total) => onProgress?.({ stage, done, total, label: '' }),
    });
  }

  #refuseTooFew(pairs: readonly IndexPair[]): void {
    const problem = sizeProblem(
      pairs.map(([a, b]) => ({
        taskA: this.#pool.models[a]!.name,
        taskB: this.#pool.models[b]!.name,
        metrics: {},
        outcomes: {},
        selfProbe: null,
      })),
    );
    if (problem !== null) {
      const failures = failuresOf(this.#jobs, this.#journal);
      throw tooFewError(
        `of models that have an accuracy alone there are ${problem}`,
        failures,
        this.#journal.path,
      );
    }
  }
}

/** The error of a calibration that measured too little for a fit. */
export function tooFewError(problem: string, failures: readonly Failure[], journal: string): MergeguardError {
  return new MergeguardError(
    [
      `too little could be measured for a fingerprint: ${problem}`,
      ...failureLines(failures),
      `everything that was measured is kept in ${journal}`,
    ].join('\n'),
  );
}

function evaluationsIn(jobs: readonly Job[]): number {
  return jobs.reduce((sum, { evaluations }) => sum + evaluations.length, 0);
}
