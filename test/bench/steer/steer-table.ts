/** What one seed of the benchmark measured. Accuracies are raw ones, fractions. */
export interface SteerTable {
  readonly seed: number;
  /** of the pool, by name */
  readonly tasks: readonly string[];
  /** null: the part was not run */
  readonly pools: PoolTable | null;
  readonly live: LiveTable | null;
}

export interface PoolTable {
  /** methods that gaps are averaged over; others may be there too */
  readonly headline: readonly string[];
  /** by id: `plain`, variants and controls */
  readonly results: Readonly<Record<string, PoolResult>>;
  readonly variants: readonly PoolVariant[];
}

export interface PoolVariant {
  readonly id: string;
  readonly title: string;
  /** id of its compute-matched control among the results */
  readonly control: string;
  /** id of plain training by its steps and step size among the results */
  readonly ownPlain: string;
  /** null where it was not measured: a variant without terms costs what plain training does */
  readonly stepCost: StepCost | null;
}

/** One pool: all its models trained in one way. */
export interface PoolResult {
  readonly title: string;
  /** optimiser steps of a model */
  readonly steps: number;
  readonly learningRate: number;
  /** a step, mean over the models */
  readonly gradientEvaluations: number;
  /** by task: its model alone */
  readonly single: Readonly<Record<string, number>>;
  /** every pair, a before b in the tasks, by method */
  readonly pairs: readonly PairResult[];
  /** all models in one, by method */
  readonly all: Readonly<Record<string, MergeResult>>;
  /** what the hook had to say, each once */
  readonly warnings: readonly string[];
}

export interface PairResult {
  readonly a: string;
  readonly b: string;
  readonly merges: Readonly<Record<string, MergeResult>>;
}

/** A merge with its coefficient tuned on calibration samples. */
export interface MergeResult {
  readonly coefficient: number;
  /** on the samples that chose the coefficient, mean over the tasks */
  readonly calibration: { readonly accuracy: number; readonly loss: number };
  /** on test samples, by task */
  readonly accuracy: Readonly<Record<string, number>>;
}

export interface StepCost {
  /** steered over plain */
  readonly ratio: number;
  /** medians over blocks of steps */
  readonly plainMs: number;
  readonly steeredMs: number;
}

/** Live models steered one after the other, against fixed plain references. */
export interface LiveTable {
  readonly methods: readonly string[];
  /** names of the references' tasks */
  readonly references: readonly string[];
  /** plain training first: `plain`, then at the other step sizes that variants have */
  readonly variants: readonly LiveVariant[];
}

export interface LiveVariant {
  readonly id: string;
  readonly title: string;
  readonly learningRate: number;
  /** id of plain training by its steps and step size, its own where it is plain itself */
  readonly ownPlain: string;
  readonly stepCost: StepCost | null;
  /** of a whole training, over the steps of plain training */
  readonly gradientEvaluations: number;
  readonly lives: readonly LiveResult[];
  readonly warnings: readonly string[];
}

export interface LiveResult {
  /** the live task */
  readonly task: string;
  readonly single: number;
  /** with each reference, by method */
  readonly pairs: readonly {
    readonly reference: string;
    readonly merges: Readonly<Record<string, MergeResult>>;
  }[];
}
