import * as tf from '@tensorflow/tfjs';

/** Held-out samples of the live task, and how the live model scores them. */
export interface CalibrationBatch {
  /** [N, ...], as the model takes them */
  readonly inputs: tf.Tensor;
  /** [N] class numbers, or [N, classes] one-hot */
  readonly labels: tf.Tensor | readonly number[] | Int32Array | Uint8Array;
  /** inputs to scores [N, classes]; may be left out for a LayersModel. Pure: no dropout, no updates. */
  readonly predict?: (inputs: tf.Tensor) => tf.Tensor;
  /**
   * The same with a reference's head in place of the live model's: inputs to the scores of that head, as `output` says. `head` holds
   * the head's tensors as the reference stores them, by canonical name (`head/kernel` of tfjs is `head.weight`) and in the layout
   * of tfjs: where the name ends in `weight`, [in, out] of matrices and [height, width, in, out] of convolutions; all others as they are.
   * For merge probes. Without it only references without a head, and those whose head has the very tensors of the live model's, are
   * probed. Pure like `predict`.
   */
  readonly predictWith?: (inputs: tf.Tensor, head: Readonly<Record<string, tf.Tensor>>) => tf.Tensor;
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
  readonly predictWith: NonNullable<CalibrationBatch['predictWith']> | null;
  readonly output: 'logits' | 'probabilities';
  readonly activation: ((inputs: tf.Tensor) => tf.Tensor) | null;
}

/** A checked calibration batch on the device: make it with `openCalibration`. Functions are to be called inside tf.tidy. */
export class Calibration {
  /** [samples, ...] */
  readonly inputs: tf.Tensor;
  readonly samples: number;
  readonly hasActivation: boolean;
  readonly predictWith: CalibrationFunctions['predictWith'];
  readonly output: CalibrationFunctions['output'];
  readonly #labels: tf.Tensor1D;
  readonly #functions: CalibrationFunctions;

  /** Keeps the first samples of `inputs`, one for each of `labels`. */
  constructor(inputs: tf.Tensor, labels: Int32Array, functions: CalibrationFunctions) {
    this.samples = labels.length;
    this.inputs = tf.keep(tf.slice(inputs, 0, labels.length));
    this.#labels = tf.keep(tf.tensor1d(labels, 'int32'));
    this.#functions = functions;
    this.hasActivation = functions.activation !== null;
    this.predictWith = functions.predictWith;
    this.output = functions.output;
  }

  /** The first `count` inputs. */
  first(count: number): tf.Tensor {
    return tf.slice(this.inputs, 0, count);
  }

  /** Class numbers of the first `count` samples. */
  labels(count: number): tf.Tensor1D {
    return tf.slice(this.#labels, 0, count);
  }

  async classNumbers(count: number): Promise<Int32Array> {
    return ((await this.#labels.data()) as Int32Array).slice(0, count);
  }

  /** [n, classes] of n inputs */
  scores(inputs: tf.Tensor): tf.Tensor2D {
    return this.#functions.predict(inputs) as tf.Tensor2D;
  }

  /** [n] cross-entropies of scores of the first n samples */
  losses(scores: tf.Tensor2D): tf.Tensor1D {
    return crossEntropies(scores, this.labels(scores.shape[0]), this.output);
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

/** [n] of scores [n, classes] and their class numbers */
export function crossEntropies(
  scores: tf.Tensor2D,
  labels: tf.Tensor1D,
  output: CalibrationFunctions['output'],
): tf.Tensor1D {
  const logProbabilities =
    output === 'logits' ? tf.logSoftmax(scores) : tf.log(tf.clipByValue(scores, 1e-7, 1));
  return tf.neg(tf.sum(tf.mul(tf.oneHot(labels, scores.shape[1]), logProbabilities), 1)) as tf.Tensor1D;
}
