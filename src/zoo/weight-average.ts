import * as tf from '@tensorflow/tfjs';

/** How weights are averaged along a run: what it ends with is the mean, not where the last step left them. */
export interface Averaging {
  /** share of the steps, 0..1, after which the average begins */
  readonly from: number;
  /** of an exponential moving average, per step, 0..1; without it every step counts alike (stochastic weight averaging, Izmailov et al. 2018) */
  readonly decay?: number;
}

/** A running mean of variables on the device. `dispose` when done. */
export class WeightAverage {
  readonly #variables: readonly tf.Variable[];
  readonly #decay: number | null;
  #means: tf.Tensor[] = [];
  #count = 0;

  /** @param decay null: every addition counts alike */
  constructor(variables: readonly tf.Variable[], decay: number | null) {
    this.#variables = variables;
    this.#decay = decay;
  }

  /** Takes the variables' present values in. */
  add(): void {
    this.#count += 1;
    const newest = this.#count === 1 || this.#decay === null ? 1 / this.#count : 1 - this.#decay;
    const old = this.#means;
    this.#means = this.#variables.map((variable, i) =>
      tf.tidy(() =>
        old.length === 0 ? tf.clone(variable) : tf.add(old[i], tf.mul(tf.sub(variable, old[i]), newest)),
      ),
    );
    tf.dispose(old);
  }

  /** Sets the variables to their means; without an addition they stay as they are. */
  apply(): void {
    for (const [i, mean] of this.#means.entries()) {
      this.#variables[i].assign(mean);
    }
  }

  dispose(): void {
    tf.dispose(this.#means);
    this.#means = [];
  }
}
