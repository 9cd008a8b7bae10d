import type * as tf from '@tensorflow/tfjs';
import type { z } from 'zod';
import type { Random } from '../tensors/random.js';

/** What a term needs beside the live weights and the base. */
export type TermNeed = 'references' | 'loss function';

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

/** What the hook lends to a term. */
export interface SteeringContext {
  readonly tensors: readonly SteeredTensor[];
  /** one a reference: right singular vectors [in, k] by tensor name, values row-major */
  readonly rightSubspaces: readonly ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>[];
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
  /** what to add to the gradient of each variable, by the variable's name; called inside tf.tidy */
  additions(): tf.NamedTensorMap;
  dispose(): void;
}

/** Evaluates the loss at other weights and adds that gradient. */
export interface LossTerm {
  readonly kind: 'loss';
  /** whether it acts on the step of this number (from 0) */
  due(step: number): boolean;
  /** weight of the second gradient in the sum */
  readonly strength: number;
  /** moves the weights, calls `evaluate` once, and restores them bit for bit, also when it throws */
  evaluate(evaluate: () => LossGradients): LossGradients;
  dispose(): void;
}

export type Term = GradientTerm | LossTerm;

/**
 * A regularisation term: something added to training that makes the live model easier to merge. Terms of
 * kind `gradient` change the gradients before the optimiser sees them; terms of kind `loss` evaluate the
 * loss at other weights.
 */
export interface TermInfo {
  readonly name: string;
  readonly kind: Term['kind'];
  readonly needs: readonly TermNeed[];
  /** gradient evaluations it adds to a step on which it acts */
  readonly gradientEvaluations: number;
  /** strength that was measured, see `measured` */
  readonly defaultStrength: number;
  /** what it was measured to do */
  readonly measured: string;
  /** its configuration; always has `strength`, 0 meaning off */
  readonly parameters: z.ZodObject;
  /** makes it ready on the device; `options` is what `parameters` parses to */
  start(options: Record<string, unknown>, context: SteeringContext): Term;
}
