import type * as tf from '@tensorflow/tfjs';
import type { z } from 'zod';
import type { Random } from '../tensors/random.js';

/** What a term may need beside the live weights and the base. */
export const TERM_NEEDS = {
  'loss function':
    'the loss function, which passes where the loop calls optimizer.minimize or optimizer.computeGradients',
  references: 'references',
  'reference samples': 'references with calibration samples',
  activations: 'an `activation` function, or a `layer` of a LayersModel, in the calibration batch',
} as const;

export type TermNeed = keyof typeof TERM_NEEDS;

/** One watched tensor of the live model, as the hook keeps it: its task vector is proportional to variable - base. */
export interface SteeredTensor {
  /** canonical */
  readonly name: string;
  readonly variable: tf.Variable;
  /** the variable holds a matrix as [in, out], canonical matrices are [out, in]; of a factor, the matrix that it is for */
  readonly transposed: boolean;
  /** the variable is a factor of the tensor's LoRA adapter, and the base zeros of its shape */
  readonly isFactor: boolean;
  /** the variable's value where the task vector is zero, in its own layout; the hook's, not to be disposed */
  base(): tf.Tensor;
}

/** What a term can ask of a reference. Tensors are in the layout of the live variable. */
export interface SteeringReference {
  readonly name: string;
  /** right singular vectors [in, k] by tensor name, values row-major */
  readonly rightSubspaces: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>;
  /** the task vector of a tensor, called inside tf.tidy; null where the reference has none of it (or the live one is a LoRA factor) */
  tau(tensor: SteeredTensor): tf.Tensor | null;
  /** the gradient of a tensor at the reference's own weights, called inside tf.tidy; null where it has none */
  gradient(tensor: SteeredTensor): tf.Tensor | null;
  /** it has calibration inputs that the live model takes */
  readonly hasInputs: boolean;
  /** [n, ...] these inputs, on the device from the first time that they are asked for; the hook's, not to be disposed; null: it has none */
  readonly inputs: tf.Tensor | null;
}

/** What the hook lends to a term. */
export interface SteeringContext {
  readonly tensors: readonly SteeredTensor[];
  readonly references: readonly SteeringReference[];
  /** [n, size] hidden activations of n inputs of the live model, called inside tf.tidy or a gradient tape; null: not known */
  readonly activations: ((inputs: tf.Tensor) => tf.Tensor2D) | null;
  readonly random: Random;
}

/** Value and gradients of the user's loss, as `tf.Optimizer.computeGradients` gives them. */
export interface LossGradients {
  readonly value: tf.Scalar;
  readonly grads: tf.NamedTensorMap;
}

/** Changes the gradients that the optimiser will see. */
export interface GradientTerm {
  readonly kind: 'gradient';
  /** what it does not act on and why, a sentence; null: it acts on all that it is for */
  readonly leavesOut: string | null;
  /** which tensors it acts on, a sentence, where it picks them by shapes and names; null: on all that it is for */
  readonly actsOn: string | null;
  /** it goes by the sum of the gradients and what the other terms add, and is asked after them */
  readonly comesLast: boolean;
  /**
   * What to add to the gradient of each variable, by the variable's name; called inside tf.tidy.
   * @param gradients as they come, by variable name, with what others add where it comes last; those of frozen variables are
   * null or missing
   */
  additions(gradients: Readonly<Record<string, tf.Tensor | null>>, strength: number): tf.NamedTensorMap;
  dispose(): void;
}

/**
 * Evaluates a loss, by default the user's, where the weights stand at that moment. Value and gradients are the caller's
 * to dispose. Heads are among the gradients: a term moves encoder tensors only, and what it gives back may hold both.
 */
export type EvaluateLoss = (loss?: () => tf.Scalar) => LossGradients;

/** Evaluates the loss at other weights than the live ones, and restores those bit for bit, also when it throws. */
export interface LossTerm {
  readonly kind: 'loss';
  /**
   * `added`: what it evaluates is added to the plain gradients. `in place`: it stands for the plain evaluation, which is
   * not made: no second evaluation, and `evaluate` calls back exactly once.
   */
  readonly form: 'added' | 'in place';
  /** an added one that is to have the plain gradients first, at the same samples and random draws */
  readonly usesPlain: boolean;
  /** whether it acts on the step of this number (from 0); called once a step, and may draw at random */
  due(step: number, strength: number): boolean;
  /**
   * @param plain value and gradients at the live weights where `usesPlain`, else null; the caller's, not to be disposed
   * @returns added: what to add to the plain gradients, the strength within; in place: the gradients to train with.
   * `value` is that of the loss where it was evaluated
   */
  evaluate(evaluate: EvaluateLoss, strength: number, plain: LossGradients | null): LossGradients;
  dispose(): void;
}

export type Term = GradientTerm | LossTerm;

/**
 * A regularisation term: something added to training that makes the live model easier to merge. Terms of
 * kind `gradient` change the gradients before the optimiser sees them; terms of kind `loss` evaluate the
 * loss at other weights. Strengths come with every call, since a controller moves them and a guard that falls silent
 * lets them fade.
 */
export interface TermInfo {
  readonly name: string;
  readonly kind: Term['kind'];
  readonly needs: readonly TermNeed[];
  /** gradient evaluations that a step costs more on average, by its options */
  gradientEvaluations(options: Record<string, unknown>): number;
  /** strength that was measured, see `measured` */
  readonly defaultStrength: number;
  /** what it was measured to do */
  readonly measured: string;
  /** its configuration; always has `strength`, 0 meaning off */
  readonly parameters: z.ZodObject;
  /**
   * Makes it ready on the device; `options` is what `parameters` parses to, whose strength does not count here.
   * @throws MergeguardError where it can not act on this model or these references, and what would
   */
  start(options: Record<string, unknown>, context: SteeringContext): Term;
}
