import * as tf from '@tensorflow/tfjs';

/**
 * Held-out samples of the live task, and how the live model scores them. What is trained on comes out too good, in probes and
 * accuracies: keep these samples out of the training. The hook compares them with what goes into the loss function of
 * `optimizer.minimize`, `computeGradients` and `fit`, and raises an alert. It can't see samples that are scaled or augmented inside
 * the loss function, or selected there in a `tf.tidy`, nor a loop that calls `tf.variableGrads` itself.
 */
export interface CalibrationBatch {
  /** [N, ...], as the model takes them; the first ones are used, as many as the configuration says, so shuffle them. Copied, yours to dispose */
  readonly inputs: tf.Tensor;
  /** [N] class numbers, or [N, classes] one-hot */
  readonly labels: tf.Tensor | readonly number[] | Int32Array | Uint8Array;
  /** inputs to scores [N, classes]; may be left out for a LayersModel. Pure: no dropout, no updates. */
  readonly predict?: (inputs: tf.Tensor) => tf.Tensor;
  /**
   * `predict` with a reference's head in place of the live model's, for merge probes: inputs to the scores [N, classes] of that head,
   * as `output` says, with the encoder's weights as they stand. For example
   * `(inputs, head) => tf.add(tf.matMul(encode(inputs), head['head.weight']), head['head.bias'])`. `head` holds the head's
   * tensors by canonical name (`head/kernel` of tfjs is `head.weight`) and in the layout of tfjs: where the name ends in `weight`,
   * [in, out] of matrices and [height, width, in, out] of convolutions; all others as the reference stores them. Without it
   * only references without a head, and those whose head has the very tensors of the live model's, are probed. Pure like `predict`.
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

  /** Class numbers of `count` samples. */
  labels(count: number, from = 0): tf.Tensor1D {
    return tf.slice(this.#labels, from, count);
  }

  async classNumbers(count: number): Promise<Int32Array> {
    return ((await this.#labels.data()) as Int32Array).slice(0, count);
  }

  /** [n, classes] of n inputs */
  scores(inputs: tf.Tensor): tf.Tensor2D {
    return this.#functions.predict(inputs) as tf.Tensor2D;
  }

  /** [n] cross-entropies of scores of n samples, the first or those that begin with `from` */
  losses(scores: tf.Tensor2D, from = 0): tf.Tensor1D {
    return crossEntropies(scores, this.labels(scores.shape[0], from), this.output);
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

/** [2, n] of scores [n, classes] and their class numbers: 1 where the guess is right, and cross-entropies. */
export function answersOf(
  scores: tf.Tensor2D,
  labels: tf.Tensor1D,
  output: CalibrationFunctions['output'],
): tf.Tensor2D {
  const right = tf.cast(tf.equal(tf.argMax(scores, 1), labels), 'float32');
  return tf.stack([right, crossEntropies(scores, labels, output)]) as tf.Tensor2D;
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
