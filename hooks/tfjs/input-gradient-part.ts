import * as tf from '@tensorflow/tfjs';
import { FUNCTIONAL, FUNCTIONAL_WIDTH } from '../../src/metrics/index.js';
import type { Reference } from '../../src/reference/index.js';
import { elementCount, formatShape } from '../../src/tensors/index.js';
import type { Calibration } from './calibration.js';
import type { FunctionalPart } from './functional-part.js';
import { leaveNoTrace } from './leave-no-trace.js';
import { rowSums } from './row-sums.js';
import { type Chunk, evaluationChunks } from './sample-chunks.js';
import type { TickStatistics } from './statistics.js';

/** A reference's input gradients. */
interface Stored {
  /** samples of it that are compared */
  readonly count: number;
  /** [count, size], on the device */
  readonly gradients: tf.Tensor2D;
  /** sum of the squares, float64 */
  readonly norm: number;
}

/**
 * Loss gradients with respect to the inputs, each model on the first samples of its own task, laid end to end (arXiv
 * 2601.22285, gradient-based metrics). Of n samples it is the gradient of the mean loss: every sample's divided by n.
 */
export class InputGradientPart implements FunctionalPart {
  readonly count: number;
  readonly #calibration: Calibration;
  readonly #nonTrainable: readonly tf.Variable[];
  readonly #inputs: tf.Tensor;
  /** [R] what a reference has, or why it can't be compared */
  readonly #references: readonly (Stored | string)[];
  #measured: { readonly values: Float32Array; readonly step: number } | null = null;

  constructor(
    calibration: Calibration,
    references: readonly Reference[],
    options: { samples: number; nonTrainable: readonly tf.Variable[] },
  ) {
    const samples = Math.min(options.samples, calibration.samples);
    this.#calibration = calibration;
    this.#nonTrainable = options.nonTrainable;
    this.#inputs = tf.keep(calibration.first(samples));
    this.#references = references.map((reference) => storedGradients(reference, this.#inputs));
    this.count = this.#references.some((stored) => typeof stored !== 'string') ? 1 : 0;
  }

  /** [samples, size] of the live model, unscaled. */
  #gradients(): tf.Tensor2D {
    const gradients = evaluationChunks(this.#inputs.shape[0]).map((chunk) =>
      tf.tidy(() => this.#part(chunk)),
    );
    return tf.reshape(tf.concat(gradients), [this.#inputs.shape[0], -1]);
  }

  #part({ from, size }: Chunk): tf.Tensor {
    const losses = (inputs: tf.Tensor) => this.#calibration.losses(this.#calibration.scores(inputs), from);
    return leaveNoTrace(this.#nonTrainable, (watch) =>
      tf.grad((inputs) => tf.sum(watch(() => losses(inputs))))(tf.slice(this.#inputs, from, size)),
    );
  }

  async begin(_piece: number, step: number): Promise<() => void> {
    const packed = tf.tidy(() => {
      const live = this.#gradients();
      const rows = [rowSums(tf.square(live))];
      for (const stored of this.#references) {
        if (typeof stored !== 'string') {
          const first = tf.slice(live, 0, stored.count);
          rows.push(rowSums(tf.mul(first, stored.gradients)));
          rows.push(rowSums(tf.squaredDifference(first, stored.gradients)));
        }
      }
      return tf.concat(rows);
    });
    try {
      const values = (await packed.data()) as Float32Array;
      return () => {
        this.#measured = { values, step };
      };
    } finally {
      packed.dispose();
    }
  }

  async rehearse(): Promise<void> {
    await this.begin(0, 0);
  }

  fill({ step, absent, referenceAbsent, measuredAt, functional }: TickStatistics): void {
    const measured = this.#measured;
    if (measured === null && this.count > 0) {
      absent.inputGradient = 'the input gradients are not measured yet';
    } else if (measured !== null && measured.step < step) {
      measuredAt.inputGradient = measured.step;
    }
    let at = this.#inputs.shape[0];
    this.#references.forEach((stored, r) => {
      if (typeof stored === 'string') {
        referenceAbsent[r].inputGradient = stored;
      } else if (measured !== null) {
        const { count, norm } = stored;
        const sum = (from: number) => total(measured.values.subarray(from, from + count)) / count ** 2;
        const cell = r * FUNCTIONAL_WIDTH;
        functional[cell + FUNCTIONAL.inputGradientLive] = sum(0);
        functional[cell + FUNCTIONAL.inputGradientReference] = norm / count ** 2;
        functional[cell + FUNCTIONAL.inputGradientDot] = sum(at);
        functional[cell + FUNCTIONAL.inputGradientDistance] = sum(at + count);
        at += 2 * count;
      }
    });
  }

  dispose(): void {
    this.#inputs.dispose();
    for (const stored of this.#references) {
      if (typeof stored !== 'string') {
        stored.gradients.dispose();
      }
    }
  }
}

/** On the device and kept, or why they do not compare with those of `inputs` [N, ...]. */
function storedGradients({ name, inputGradient }: Reference, inputs: tf.Tensor): Stored | string {
  if (inputGradient === null) {
    return `reference "${name}" has no stored input gradients`;
  }
  const [here, there] = [inputs.shape.slice(1), inputGradient.shape.slice(1)];
  if (formatShape(here) !== formatShape(there)) {
    return `the input gradients of reference "${name}" are ${formatShape(there)} a sample, the inputs of the live task ${formatShape(here)}`;
  }
  const count = Math.min(inputs.shape[0], inputGradient.shape[0]);
  const size = elementCount(there);
  const data = inputGradient.data.subarray(0, count * size);
  let norm = 0;
  for (const value of data) {
    norm += value * value;
  }
  return { count, norm, gradients: tf.tensor2d(data, [count, size]) };
}

function total(values: Float32Array): number {
  let sum = 0;
  for (const value of values) {
    sum += value;
  }
  return sum;
}
