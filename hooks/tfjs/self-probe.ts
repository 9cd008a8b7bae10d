import * as tf from '@tensorflow/tfjs';
import type { SelfProbe } from '../../src/metrics/index.js';
import { atScale, type SteeredTensor } from '../../src/steering/index.js';

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

  /** `labels`: class numbers, one an input. Use `makeProber`, which checks the batch. */
  constructor(
    batch: CalibrationBatch & { predict: (inputs: tf.Tensor) => tf.Tensor },
    labels: Int32Array,
    tensors: readonly SteeredTensor[],
    options: { scale: number; samples: number },
  ) {
    this.samples = Math.min(options.samples, labels.length);
    this.#scale = options.scale;
    this.#tensors = tensors;
    this.#predict = batch.predict;
    this.#output = batch.output ?? 'logits';
    this.#inputs = tf.keep(tf.slice(batch.inputs, 0, this.samples));
    this.#labels = tf.keep(tf.tensor1d(labels.subarray(0, this.samples), 'int32'));
  }

  /** Scores [samples, classes] of the live model. Call it inside tf.tidy. */
  predict(): tf.Tensor {
    return this.#predict(this.#inputs);
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
    const scores = this.predict() as tf.Tensor2D;
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
