import * as tf from '@tensorflow/tfjs';
import { withValues } from '../../../src/steering/index.js';

/** Values of all variables of a model at one step, which may be replaced one after the other. */
export class LiveSnapshot {
  readonly step: number;
  readonly #values: Map<tf.Variable, tf.Tensor>;

  /** Takes no room until the training changes a variable: a clone shares its values. */
  constructor(variables: readonly tf.Variable[], step: number) {
    this.step = step;
    // Of all or of none, where the device has no room for them.
    const values = tf.tidy(() => variables.map((variable) => variable.clone()));
    this.#values = new Map(variables.map((variable, index) => [variable, tf.keep(values[index])]));
  }

  value(variable: tf.Variable): tf.Tensor {
    return this.#values.get(variable) as tf.Tensor;
  }

  /** `value` becomes the snapshot's. */
  replace(variable: tf.Variable, value: tf.Tensor): void {
    this.value(variable).dispose();
    this.#values.set(variable, tf.keep(value));
  }

  /**
   * Runs `body` with the live variables, or only these, at the snapshot's values, or at those of `instead`, and restores them bit by bit.
   */
  within<Result>(
    body: () => Result,
    {
      only = [...this.#values.keys()],
      instead,
    }: { only?: readonly tf.Variable[]; instead?: ReadonlyMap<tf.Variable, tf.Tensor> } = {},
  ): Result {
    const value = (variable: tf.Variable) => instead?.get(variable) ?? this.value(variable);
    return withValues(only, (index) => value(only[index]).clone(), body);
  }

  dispose(): void {
    tf.dispose([...this.#values.values()]);
    this.#values.clear();
  }
}
