import type { IndexPair } from '../at-rest/block-sums.js';
import type { GroupRow, TableRow } from '../fingerprint/index.js';
import { HIGHEST_ACCURACY } from '../fingerprint/table.js';
import type { Journal } from './journal.js';
import type { PairMetricValues } from './pair-metrics.js';
import { type Job, type Plan, SELF_PROBE_SCALE } from './plan.js';
import type { CalibrationPool } from './pool.js';

/** A pair of the table, with the raw accuracies beside the normalised ones. */
export interface MeasuredPair extends TableRow {
  /** mean accuracy of the merge on both tasks, a fraction, by merge id; null where it was not measured */
  readonly accuracies: Readonly<Record<string, number | null>>;
}

export interface Outcomes {
  readonly pairs: readonly MeasuredPair[];
  readonly groups: readonly GroupRow[];
  /** why an outcome that was measured is not in the table, a sentence each */
  readonly notes: readonly string[];
}

/** Puts together what the journal holds of a pool. */
export class OutcomeReader {
  readonly #pool: CalibrationPool;
  readonly #plan: Plan;
  readonly #journal: Journal;
  readonly #notes = new Set<string>();

  constructor(pool: CalibrationPool, plan: Plan, journal: Journal) {
    this.#pool = pool;
    this.#plan = plan;
    this.#journal = journal;
  }

  /** Accuracy of a model alone at base + scale tau; null where it was not measured. */
  alone(model: number, scale = 1): number | null {
    return this.#accuracies(this.#plan.alone(model, scale))?.[0] ?? null;
  }

  read(pairs: readonly IndexPair[], metrics: readonly PairMetricValues[]): Outcomes {
    const table = pairs.map(([a, b], p) => this.#pair(a, b, metrics[p]!));
    const groups = this.#pool.groups.map((models) => ({
      tasks: models.map((model) => this.#name(model)),
      outcomes: this.#outcomes(this.#plan.groups([models])),
    }));
    return { pairs: table, groups, notes: [...this.#notes] };
  }

  #pair(a: number, b: number, metrics: PairMetricValues): MeasuredPair {
    const jobs = this.#plan.pairs([[a, b]]);
    const [own, half] = [this.alone(a), this.alone(a, SELF_PROBE_SCALE)];
    return {
      taskA: this.#name(a),
      taskB: this.#name(b),
      metrics,
      outcomes: this.#outcomes(jobs),
      accuracies: this.#byMethod(jobs, (job) => mean(this.#accuracies(job))),
      selfProbe: own === null || own === 0 || half === null ? null : half / own,
    };
  }

  #outcomes(jobs: readonly Job[]): Record<string, number | null> {
    return this.#byMethod(jobs, (job) => this.#normalised(job));
  }

  /** Null for the methods that have no job, since they can not merge so many. */
  #byMethod(jobs: readonly Job[], value: (job: Job) => number | null): Record<string, number | null> {
    const entries = this.#pool.merges.map(({ id }) => {
      const job = jobs.find(({ subject }) => subject.merge?.id === id);
      return [id, job === undefined ? null : value(job)] as const;
    });
    return Object.fromEntries(entries);
  }

  /** Accuracy on each task over that of the task's own model, averaged. */
  #normalised(job: Job): number | null {
    const merged = this.#accuracies(job);
    if (merged === null) {
      return null;
    }
    const { models, merge } = job.subject;
    const ratios: number[] = [];
    for (const [at, model] of models.entries()) {
      const own = this.alone(model);
      if (own === 0) {
        this.#notes.add(`${this.#name(model)} has an accuracy of 0 alone: nothing can be normalised by it`);
      }
      if (own === null || own === 0) {
        return null;
      }
      ratios.push(merged[at]! / own);
    }
    const value = mean(ratios)!;
    if (value > HIGHEST_ACCURACY) {
      const names = models.map((model) => this.#name(model)).join(' + ');
      this.#notes.add(
        `${merge!.id} of ${names} has ${value.toFixed(3)} times the accuracy of the models alone, above ` +
          `${HIGHEST_ACCURACY}: left out of the table; were they trained to the end?`,
      );
      return null;
    }
    return value;
  }

  /** Null unless all of them were measured. */
  #accuracies({ evaluations }: Job): number[] | null {
    const found = evaluations.map(({ key }) => this.#journal.get(key));
    const accuracies = found.flatMap((entry) => (entry?.kind === 'evaluation' ? [entry.accuracy] : []));
    return accuracies.length < evaluations.length ? null : accuracies;
  }

  #name(model: number): string {
    return this.#pool.models[model]!.name;
  }
}

function mean(values: readonly number[] | null): number | null {
  return values === null ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
