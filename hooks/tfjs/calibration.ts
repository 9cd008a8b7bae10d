import * as tf from '@tensorflow/tfjs';

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
  /**
   * inputs to the hidden activations [N, ...] that activation metrics compare, flattened by sample; may be left out for
   * a LayersModel where `layer` is given. Without either, activation metrics are null. Pure like `predict`.
   */
  readonly activation?: (inputs: tf.Tensor) => tf.Tensor;
  /** name of the layer that `activation` gives: of a layer of the LayersModel, or for people only */
  readonly layer?: string;
}

/** How the live model is asked, with nothing left to guess. */
export interface CalibrationFunctions {
  readonly predict: (inputs: tf.Tensor) => tf.Tensor;
  readonly output: 'logits' | 'probabilities';
  readonly activation: ((inputs: tf.Tensor) => tf.Tensor) | null;
}

/** A checked calibration batch on the device: make it with `openCalibration`. Functions are to be called inside tf.tidy. */
export class Calibration {
  /** [samples, ...] */
  readonly inputs: tf.Tensor;
  readonly samples: number;
  readonly hasActivation: boolean;
  readonly #labels: tf.Tensor1D;
  readonly #functions: CalibrationFunctions;

  /** Keeps the first samples of `inputs`, one for each of `labels`. */
  constructor(inputs: tf.Tensor, labels: Int32Array, functions: CalibrationFunctions) {
    this.samples = labels.length;
    this.inputs = tf.keep(tf.slice(inputs, 0, labels.length));
    this.#labels = tf.keep(tf.tensor1d(labels, 'int32'));
    this.#functions = functions;
    this.hasActivation = functions.activation !== null;
  }

  /** The first `count` inputs. */
  first(count: number): tf.Tensor {
    return tf.slice(this.inputs, 0, count);
  }

  /** Class numbers of the first `count` samples. */
  labels(count: number): tf.Tensor1D {
    return tf.slice(this.#labels, 0, count);
  }

  /** [n, classes] of n inputs */
  scores(inputs: tf.Tensor): tf.Tensor2D {
    return this.#functions.predict(inputs) as tf.Tensor2D;
  }

  /** [n] cross-entropies of scores of the first n samples */
  losses(scores: tf.Tensor2D): tf.Tensor1D {
    const [count, classes] = scores.shape;
    const logProbabilities =
      this.#functions.output === 'logits' ? tf.logSoftmax(scores) : tf.log(tf.clipByValue(scores, 1e-7, 1));
    return tf.neg(tf.sum(tf.mul(tf.oneHot(this.labels(count), classes), logProbabilities), 1)) as tf.Tensor1D;
  }

  /** [n, size] hidden activations of n inputs */
  activations(inputs: tf.Tensor): tf.Tensor2D {
    const hidden = this.#functions.activation as (inputs: tf.Tensor) => tf.Tensor;
    return tf.reshape(hidden(inputs), [inputs.shape[0], -1]);
  }

  dispose(): void {
    tf.dispose([this.inputs, this.#labels]);
  }
}
