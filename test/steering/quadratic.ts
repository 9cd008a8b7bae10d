import * as tf from '@tensorflow/tfjs';
import type { LossGradients, LossTerm } from '../../src/steering/index.js';
import { Random } from '../../src/tensors/random.js';
import { gradientsOf, type Model, valuesOf } from './model.js';

/** One list of numbers a variable. */
export type Values = readonly (readonly number[])[];

/**
 * L(w) = (w - c)^T H (w - c) / 2 over all variables as one vector, the head among them; H = D + u u^T, D diagonal and
 * positive, so that every weight has to do with every other.
 */
export class Quadratic {
  readonly #model: Model;
  readonly #minima: readonly tf.Tensor[];
  readonly #curvatures: readonly tf.Tensor[];
  readonly #coupling: readonly tf.Tensor[];

  constructor(model: Model, seed = 1) {
    this.#model = model;
    const random = new Random('quadratic', seed);
    const draw = (value: () => number) =>
      model.variables.map(({ shape, size }) => tf.tensor(Float32Array.from({ length: size }, value), shape));
    this.#minima = draw(() => random.normal());
    this.#curvatures = draw(() => random.uniform(0.5, 2));
    this.#coupling = draw(() => 0.2 * random.normal());
  }

  readonly loss = (): tf.Scalar =>
    tf.tidy(() => {
      const away = this.#model.variables.map((variable, v) => tf.sub(variable, this.#minima[v]));
      const own = tf.addN(away.map((x, v) => tf.sum(tf.mul(this.#curvatures[v], tf.square(x)))));
      const shared = tf.addN(away.map((x, v) => tf.sum(tf.mul(this.#coupling[v], x))));
      return tf.mul(tf.add(own, tf.square(shared)), 0.5) as tf.Scalar;
    });

  readonly evaluate = (loss: () => tf.Scalar = this.loss): LossGradients => gradientsOf(this.#model, loss);

  /** H (w - c), by hand. */
  gradientAt(weights: Values): number[][] {
    return this.times(weights.map((values, v) => values.map((x, i) => x - this.#of(this.#minima, v)[i])));
  }

  /** H x, by hand. */
  times(x: Values): number[][] {
    const shared = x.reduce(
      (sum, values, v) => sum + values.reduce((s, value, i) => s + value * this.#of(this.#coupling, v)[i], 0),
      0,
    );
    return x.map((values, v) =>
      values.map(
        (value, i) => this.#of(this.#curvatures, v)[i] * value + this.#of(this.#coupling, v)[i] * shared,
      ),
    );
  }

  #of(tensors: readonly tf.Tensor[], v: number): ArrayLike<number> {
    return tensors[v].dataSync();
  }

  dispose(): void {
    tf.dispose([...this.#minima, ...this.#curvatures, ...this.#coupling]);
  }
}

/** The live weights, on the host. */
export function weightsOf({ variables }: Model): number[][] {
  return valuesOf(variables).map((values) => [...values]);
}

/** The base, and the head as it is. */
export function baseOf(model: Model): number[][] {
  return weightsOf(model).map((values, v) => [...(model.base[v]?.dataSync() ?? values)]);
}

/** The norm over the steered tensors, heads left out. */
export function steeredNorm(model: Model, values: Values): number {
  return Math.hypot(...values.slice(0, model.tensors.length).flat());
}

/** What a loss term gives on one step, by variable, on the host; a variable that it leaves out is all zero. */
export function resultOf(
  term: LossTerm,
  model: Model,
  evaluate: (loss?: () => tf.Scalar) => LossGradients,
  strength = 1,
): { value: number; grads: number[][] } {
  const plain = term.usesPlain ? evaluate() : null;
  const { value, grads } = term.evaluate(evaluate, strength, plain);
  const result = {
    value: value.dataSync()[0],
    grads: model.variables.map(({ name, size }) => [...(grads[name]?.dataSync() ?? new Float32Array(size))]),
  };
  tf.dispose([value, grads, plain?.value, plain?.grads].filter((made) => made !== undefined));
  return result;
}

/** w += factor * x, on all variables. */
export function addTo(model: Model, x: Values, factor: number): void {
  model.variables.forEach((variable, v) => {
    const next = tf.tidy(() => tf.add(variable, tf.mul(tf.tensor([...x[v]], variable.shape), factor)));
    variable.assign(next);
    next.dispose();
  });
}
