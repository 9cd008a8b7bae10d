import * as tf from '@tensorflow/tfjs';
import { answersOf, type CalibrationFunctions } from '../calibration.js';
import { type Chunk, sampleChunks } from '../sample-chunks.js';

/** How a model did on samples, each by itself. */
export interface Answers {
  /** [n] 1 where its guess was right */
  readonly correct: Uint8Array;
  /** [n] cross-entropies */
  readonly losses: Float32Array;
}

/** Calibration samples of one task on the device, and their labels. */
export class TaskSamples {
  readonly count: number;
  /** what one forward pass of a merge probe takes */
  readonly chunks: readonly Chunk[];
  readonly #inputs: tf.Tensor;
  readonly #labels: tf.Tensor1D;
  readonly #output: CalibrationFunctions['output'];

  /** @param inputs [n, ...], which become its own */
  constructor(inputs: tf.Tensor, labels: Int32Array, output: CalibrationFunctions['output']) {
    this.count = labels.length;
    this.#inputs = tf.keep(inputs);
    this.#labels = tf.keep(tf.tensor1d(labels, 'int32'));
    this.#output = output;
    this.chunks = sampleChunks(this.count);
  }

  inputs({ from, size }: Chunk): tf.Tensor {
    return tf.slice(this.#inputs, from, size);
  }

  /** [2, size]: 1 where the guess is right, and cross-entropies. Call it inside tf.tidy. */
  ask(chunk: Chunk, predict: (inputs: tf.Tensor) => tf.Tensor): tf.Tensor2D {
    const scores = predict(this.inputs(chunk)) as tf.Tensor2D;
    const labels = tf.slice(this.#labels, chunk.from, chunk.size) as tf.Tensor1D;
    return answersOf(scores, labels, this.#output);
  }

  /** Room for a model's answers, which `take` fills. */
  noAnswers(): Answers {
    return { correct: new Uint8Array(this.count), losses: new Float32Array(this.count) };
  }

  dispose(): void {
    tf.dispose([this.#inputs, this.#labels]);
  }
}

/** Puts what `ask` has given, read back, where it belongs. */
export function take({ correct, losses }: Answers, { from, size }: Chunk, values: Float32Array): void {
  correct.set(values.subarray(0, size), from);
  losses.set(values.subarray(size), from);
}
