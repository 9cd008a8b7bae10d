import * as tf from '@tensorflow/tfjs';
import type { SelfProbe } from '../../src/metrics/index.js';
import { atScale, type SteeredTensor } from '../../src/steering/index.js';
import { MergeguardError } from '../../src/tensors/index.js';

/** Held-out samples of the live task, and how the live model scores them. */
export interface CalibrationBatch {
  /** [N, ...], as the model takes them */
  readonly inputs: tf.Tensor;
  /** [N] class numbers, or [N, classes] one-hot */
  readonly labels: tf.Tensor | readonly number[] | Int32Array | Uint8Array;
  /** inputs to scores [N, classes]; may be left out for a LayersModel. Pure: no dropout, no updates. */
  readonly predict?: (inputs: tf.Tensor) => tf.Tensor;
  /** what `predict` returns; defaults to `logits`, for a LayersModel with a softmax layer last to `probabilities` */
  readonly output?: 'logits' | 'probabilities';
}

/** Numbers that a self-probe leaves on the device: accuracy and loss of the live model, then at base + s tau. */
export const PROBE_NUMBERS = 4;

/**
 * Evaluates the live model at base + s tau on its own calibration samples: needs no reference, costs two
 * forward passes, and is the best cheap predictor known of how the model takes a merge.
 */
export class SelfProber {
  readonly samples: number;
  readonly #scale: number;
  readonly #tensors: readonly SteeredTensor[];
  readonly #predict: (inputs: tf.Tensor) => tf.Tensor;
  readonly #output: 'logits' | 'probabilities';
  readonly #inputs: tf.Tensor;
  readonly #labels: tf.Tensor1D;

  constructor(
    batch: CalibrationBatch & { predict: (inputs: tf.Tensor) => tf.Tensor },
    tensors: readonly SteeredTensor[],
    options: { scale: number; samples: number },
  ) {
    const labels = classNumbers(batch.labels);
    const given = batch.inputs.shape[0] ?? 0;
    if (given !== labels.size || given === 0) {
      labels.dispose();
      throw new MergeguardError(
        `the calibration batch has ${given} inputs and ${labels.size} labels; give one label an input, and at least one`,
      );
    }
    this.samples = Math.min(options.samples, given);
    this.#scale = options.scale;
    this.#tensors = tensors;
    this.#predict = batch.predict;
    this.#output = batch.output ?? 'logits';
    this.#inputs = tf.keep(tf.slice(batch.inputs, 0, this.samples));
    this.#labels = tf.keep(tf.slice(labels, 0, this.samples));
    labels.dispose();
  }

  /** [4], kept. The live weights are bit-identical afterwards. */
  measure(): tf.Tensor1D {
    return tf.tidy(() => {
      const live = this.#evaluate();
      const scaled = atScale(this.#tensors, this.#scale, () => this.#evaluate());
      return tf.keep(tf.concat([live, scaled]));
    });
  }

  /** What `measure` left, read back. */
  result(values: Float32Array, step: number): SelfProbe {
    const [accuracy, loss, scaledAccuracy, scaledLoss] = values;
    return { scale: this.#scale, accuracy, scaledAccuracy, loss, scaledLoss, samples: this.samples, step };
  }

  /** [2]: accuracy and mean cross-entropy. */
  #evaluate(): tf.Tensor1D {
    const scores = this.#predict(this.#inputs) as tf.Tensor2D;
    const hits = tf.mean(tf.cast(tf.equal(tf.argMax(scores, 1), this.#labels), 'float32'));
    const logProbabilities =
      this.#output === 'logits' ? tf.logSoftmax(scores) : tf.log(tf.clipByValue(scores, 1e-7, 1));
    const chosen = tf.mul(tf.oneHot(this.#labels, scores.shape[1]), logProbabilities);
    const loss = tf.neg(tf.mean(tf.sum(chosen, 1)));
    return tf.stack([hits, loss]) as tf.Tensor1D;
  }

  dispose(): void {
    tf.dispose([this.#inputs, this.#labels]);
  }
}

function classNumbers(labels: CalibrationBatch['labels']): tf.Tensor1D {
  if (!(labels instanceof tf.Tensor)) {
    return tf.tensor1d(Int32Array.from(labels), 'int32');
  }
  return tf.tidy(() => (labels.rank === 2 ? tf.argMax(labels, 1) : tf.cast(labels, 'int32'))) as tf.Tensor1D;
}
