import * as tf from '@tensorflow/tfjs';
import type { SelfProbe } from '../../src/metrics/index.js';
import { atScale, type SteeredTensor } from '../../src/steering/index.js';
import { answersOf, type Calibration } from './calibration.js';
import { type Chunk, evaluationChunks } from './sample-chunks.js';

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
  readonly #calibration: Calibration;
  readonly #inputs: tf.Tensor;

  constructor(
    calibration: Calibration,
    tensors: readonly SteeredTensor[],
    options: { scale: number; samples: number },
  ) {
    this.samples = Math.min(options.samples, calibration.samples);
    this.#scale = options.scale;
    this.#tensors = tensors;
    this.#calibration = calibration;
    this.#inputs = tf.keep(calibration.first(this.samples));
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
    const answers = evaluationChunks(this.samples).map((chunk) => tf.tidy(() => this.#ask(chunk)));
    return tf.mean(tf.concat(answers, 1), 1);
  }

  /** [2, size], see answersOf. */
  #ask({ from, size }: Chunk): tf.Tensor2D {
    const { output } = this.#calibration;
    const scores = this.#calibration.scores(tf.slice(this.#inputs, from, size));
    return answersOf(scores, this.#calibration.labels(size, from), output);
  }

  dispose(): void {
    this.#inputs.dispose();
  }
}
