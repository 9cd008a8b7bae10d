import * as tf from '@tensorflow/tfjs';
import type { SharedTensor } from './layout.js';
import type { LiveFactor, LiveFactors } from './lora-factors.js';
import type { LowRankTensors, MatrixDifference, TaskMatrix } from './task-matrix.js';

/** The live task vector of one watched tensor. */
export interface LiveTau {
  /** multiplying what it is away from `origin` by a number multiplies the task vector */
  readonly variable: tf.Variable;
  /** the variable's value where the task vector is zero; not to be disposed */
  readonly origin: tf.Tensor;
  /** in full, in the tensor's own layout. Call it inside tf.tidy. */
  dense(): tf.Tensor;
  /** of a matrix, in the tensor's own layout. Call it inside tf.tidy. */
  matrix(): TaskMatrix;
  /** of a matrix, [out, in]: new tensors, the caller's to dispose */
  canonical(): tf.Tensor2D | LowRankTensors;
  dispose(): void;
}

/** `base`: the tensor's value before fine-tuning, in its own layout; becomes the result's. */
export function liveTau(tensor: SharedTensor, base: () => tf.Tensor): LiveTau {
  const { factors } = tensor;
  return factors === null ? new FullTau(tensor, base()) : new AdapterTau(tensor, factors);
}

/** Of a tensor that is trained itself: it minus the base. */
class FullTau implements LiveTau {
  readonly variable: tf.Variable;
  readonly origin: tf.Tensor;
  readonly #permutation: readonly number[] | null;

  constructor({ variable, permutation }: SharedTensor, base: tf.Tensor) {
    this.variable = variable;
    this.origin = tf.keep(base);
    this.#permutation = permutation;
  }

  dense(): tf.Tensor {
    return tf.sub(this.variable, this.origin);
  }

  matrix(): MatrixDifference {
    return { weights: this.variable as tf.Tensor as tf.Tensor2D, base: this.origin as tf.Tensor2D };
  }

  canonical(): tf.Tensor2D {
    return tf.tidy(() => {
      const tau = this.dense() as tf.Tensor2D;
      return this.#permutation ? (tf.transpose(tau, [...this.#permutation]) as tf.Tensor2D) : tau;
    });
  }

  dispose(): void {
    this.origin.dispose();
  }
}

/** Of a frozen matrix with a LoRA adapter: the product of the factors. */
class AdapterTau implements LiveTau {
  readonly variable: tf.Variable;
  readonly origin: tf.Tensor;
  readonly #factors: LiveFactors;
  /** the matrix is stored [in, out] */
  readonly #transposed: boolean;

  constructor({ permutation }: SharedTensor, factors: LiveFactors) {
    this.variable = factors.left.variable;
    this.origin = tf.keep(tf.zerosLike(this.variable));
    this.#factors = factors;
    this.#transposed = permutation !== null;
  }

  dense(): tf.Tensor2D {
    const { left, right } = this.#stored();
    return tf.matMul(left, right);
  }

  matrix(): LowRankTensors {
    return this.#stored();
  }

  /** In the matrix' own layout, the scale in the left factor of the canonical one. */
  #stored(): LowRankTensors {
    const { left, right, scale } = this.#factors;
    const scaled = tf.mul(oriented(left), scale) as tf.Tensor2D;
    return this.#transposed
      ? { left: tf.transpose(oriented(right)), right: tf.transpose(scaled) }
      : { left: scaled, right: oriented(right) };
  }

  canonical(): LowRankTensors {
    const { left, right, scale } = this.#factors;
    return tf.tidy(() => ({
      left: tf.mul(oriented(left), scale) as tf.Tensor2D,
      right: oriented(right).clone(),
    }));
  }

  dispose(): void {
    this.origin.dispose();
  }
}

function oriented({ variable, transposed }: LiveFactor): tf.Tensor2D {
  return transposed ? tf.transpose(variable as tf.Tensor2D) : (variable as tf.Tensor2D);
}
