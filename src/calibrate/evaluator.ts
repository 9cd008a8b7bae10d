import type { ConfiguredMerge } from '../merging/index.js';

/** A model that is made of the pool's: a merge of some, or one alone. */
export interface Subject {
  /** their places in the pool */
  readonly models: readonly number[];
  /** null: the one model */
  readonly merge: ConfiguredMerge | null;
  /** s of base + s tau of one model; 1 for a merge */
  readonly scale: number;
}

/** What an evaluation gave: a fraction, or why there is none and the last lines that the command had to say. */
export type Outcome =
  | { readonly accuracy: number }
  | { readonly failure: string; readonly errors: readonly string[] };

/** A made model. */
export interface Made {
  /** Evaluates it on the task of a model of the pool. */
  evaluate(model: number): Promise<Outcome>;
  /** Takes it from the disk. */
  discard(): Promise<void>;
}

/** Makes models and evaluates them. */
export interface Evaluator {
  /** models that it works on at a time */
  readonly concurrency: number;
  /** What an accuracy on the task of this model depends on beside the weights: of another identity it is another result. */
  identityOf(model: number): unknown;
  /** @throws MergeguardError where the model can't be made; see isNoRoom */
  make(subject: Subject): Promise<Made>;
  close(): Promise<void>;
}
