import * as tf from '@tensorflow/tfjs';
import type { Calibration } from './calibration.js';
import type { FunctionalPart } from './functional-part.js';
import type { GradientAverage } from './gradient-average.js';
import { leaveNoTrace } from './leave-no-trace.js';
import { type Chunk, evaluationChunks } from './sample-chunks.js';

/**
 * The mean loss gradient on the calibration samples at the live weights, in place of the moving average over training
 * steps: the definition that a reference's gradient has too. `gradients` must have a decay of 0; ticks read it from
 * there, with its step.
 */
export class CalibrationGradientPart implements FunctionalPart {
  readonly count = 1;
  readonly #calibration: Calibration;
  readonly #inputs: tf.Tensor;
  readonly #variables: readonly tf.Variable[];
  readonly #nonTrainable: readonly tf.Variable[];
  readonly #gradients: GradientAverage;

  constructor(
    calibration: Calibration,
    gradients: GradientAverage,
    options: { samples: number; variables: readonly tf.Variable[]; nonTrainable: readonly tf.Variable[] },
  ) {
    this.#calibration = calibration;
    this.#gradients = gradients;
    this.#inputs = tf.keep(calibration.first(Math.min(options.samples, calibration.samples)));
    this.#variables = options.variables;
    this.#nonTrainable = options.nonTrainable;
  }

  async begin(_piece: number, step: number): Promise<() => void> {
    const grads = this.#evaluate();
    try {
      this.#gradients.fold(grads, step);
    } finally {
      tf.dispose(grads);
    }
    return () => {};
  }

  async rehearse(): Promise<void> {
    const grads = this.#evaluate();
    this.#gradients.rehearse();
    // One value read: on a GPU the work is done only then.
    await Object.values(grads)[0]?.data();
    tf.dispose(grads);
  }

  /** By variable name. */
  #evaluate(): tf.NamedTensorMap {
    const [first, ...others] = evaluationChunks(this.#inputs.shape[0]);
    let sum = this.#share(first);
    for (const chunk of others) {
      const before = sum;
      try {
        sum = tf.tidy(() => {
          const share = this.#share(chunk);
          return Object.fromEntries(
            Object.entries(before).map(([name, gradient]) => [name, tf.add(gradient, share[name])]),
          );
        });
      } finally {
        tf.dispose(before);
      }
    }
    return sum;
  }

  /** What the chunk's samples add to the gradient of the mean over all. */
  #share({ from, size }: Chunk): tf.NamedTensorMap {
    return leaveNoTrace(this.#nonTrainable, (watch) => {
      const loss = () => {
        const inputs = tf.slice(this.#inputs, from, size);
        const losses = watch(() => this.#calibration.losses(this.#calibration.scores(inputs), from));
        return tf.div(tf.sum(losses), this.#inputs.shape[0]) as tf.Scalar;
      };
      // Tidied, since the value stays where the gradients fail.
      return tf.tidy(() => tf.variableGrads(loss, [...this.#variables]).grads);
    });
  }

  /** Ticks have the gradient, its step and why it is missing from the device. */
  fill(): void {}

  dispose(): void {
    this.#inputs.dispose();
  }
}
