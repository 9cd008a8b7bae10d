import type { Evaluator, Subject } from './evaluator.js';
import { digestOf } from './identity.js';
import type { Evaluated } from './journal-entry.js';
import { type CalibrationPool, canMerge } from './pool.js';

/** s of base + s tau at which self-probes are taken: what `fit` takes for granted of a table. */
export const SELF_PROBE_SCALE = 0.5;

/** One model that is made, and what it is evaluated on. */
export interface Job {
  readonly subject: Subject;
  readonly evaluations: readonly PlannedEvaluation[];
}

export interface PlannedEvaluation {
  /** what the result depends on, as one word */
  readonly key: string;
  /** the model of the pool on whose task it is evaluated */
  readonly model: number;
  readonly about: Evaluated;
}

/** Raised when the same models come to be merged or evaluated otherwise, so that what a journal holds does not count. */
const VERSION = 1;

/** Says what is to be made and evaluated. */
export class Plan {
  readonly #pool: CalibrationPool;
  readonly #evaluator: Evaluator;

  constructor(pool: CalibrationPool, evaluator: Evaluator) {
    this.#pool = pool;
    this.#evaluator = evaluator;
  }

  /** A model at base + scale tau, on its own task. */
  alone(model: number, scale: number): Job {
    return this.#job({ models: [model], merge: null, scale });
  }

  /** Merges of these pairs by every method, on both tasks. */
  pairs(pairs: readonly (readonly [number, number])[]): Job[] {
    return pairs.flatMap((models) => this.#merges(models));
  }

  /** Merges of these groups by the methods that can merge so many, on every task. */
  groups(groups: readonly (readonly number[])[]): Job[] {
    return groups.flatMap((models) => this.#merges(models));
  }

  #merges(models: readonly number[]): Job[] {
    const { merges } = this.#pool;
    return merges
      .filter((merge) => canMerge(merge, models.length))
      .map((merge) => this.#job({ models, merge, scale: 1 }));
  }

  #job(subject: Subject): Job {
    return { subject, evaluations: subject.models.map((model) => this.#evaluation(subject, model)) };
  }

  #evaluation({ models, merge, scale }: Subject, model: number): PlannedEvaluation {
    const pool = this.#pool;
    const parameters = merge?.parameters ?? {};
    const key = digestOf([
      VERSION,
      pool.baseIdentity,
      models.map((at) => pool.models[at]!.identity),
      merge === null ? scale : [merge.method.name, parameters],
      pool.heads,
      this.#evaluator.identityOf(model),
    ]);
    const names = models.map((at) => pool.models[at]!.name);
    const about = {
      models: names,
      merge: merge?.id ?? null,
      parameters,
      scale,
      task: pool.models[model]!.task,
    };
    return { key, model, about };
  }
}
