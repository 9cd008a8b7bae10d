import * as tf from '@tensorflow/tfjs';
import { FlatLayout } from '../../../../hooks/tfjs/flat-layout.js';
import type { FoldWay, GradientFold } from '../../../../hooks/tfjs/gradient-fold/index.js';
import type { SharedTensor } from '../../../../hooks/tfjs/layout.js';
import { Random } from '../../../../src/tensors/index.js';

/** What is put into a step's random gradients; null: the tensor has none. */
export interface Fault {
  readonly tensor: number;
  /** modulo the tensor's size */
  readonly at: number;
  readonly value: number | null;
}

/** Random gradients folded on the device, and by a loop in float64. */
export class FoldCase {
  readonly #tensors: readonly SharedTensor[];
  readonly #layout: FlatLayout;
  readonly #fold: GradientFold;
  readonly #decay: number;
  readonly #sums: Float64Array[];
  readonly #random = new Random('folds');
  #folds = 0;
  #nonFinite = 0;
  #step = -1;
  /** of all finite gradients */
  largest = 0;

  constructor(way: FoldWay, options: { sizes: readonly number[]; decay: number; chunk?: number }) {
    const { sizes, decay, chunk } = options;
    this.#tensors = sizes.map((size, t) => {
      const shape = size % 2 === 0 ? [2, size / 2] : [size];
      const variable = tf.tidy(() => tf.variable(tf.fill(shape, t)));
      return { name: `t${t}`, shape, variable, permutation: null, trainable: true, factors: null };
    });
    this.#layout = new FlatLayout(this.#tensors, chunk);
    this.#decay = decay;
    this.#fold = way.make({ layout: this.#layout, decay });
    this.#sums = sizes.map((size) => new Float64Array(size));
  }

  fold(faults: readonly Fault[], step: number): void {
    const values = this.#values(faults);
    const gradients = Object.fromEntries(
      this.#tensors.map(({ variable }, t) => {
        const own = values[t];
        return [variable.name, own && tf.tensor(own, variable.shape)];
      }),
    );
    this.#fold.fold(gradients, step);
    const given = Object.values(gradients).filter((gradient) => gradient !== null);
    if (given.some((gradient) => gradient.isDisposed)) {
      throw new Error('the fold has disposed gradients that are not its own');
    }
    tf.dispose(given);
    this.#note(values, step);
  }

  rehearse(): void {
    this.#fold.rehearse();
  }

  /** Fills the weights of a tensor. */
  spoil(tensor: number, value: number): void {
    const { variable } = this.#tensors[tensor];
    tf.tidy(() => {
      variable.assign(tf.fill(variable.shape, value));
    });
  }

  /** The caller's. */
  counters(): tf.Tensor1D {
    return tf.tidy(() => this.#fold.counters());
  }

  #values(faults: readonly Fault[]): (Float32Array | null)[] {
    const values: (Float32Array | null)[] = this.#tensors.map(({ variable }) =>
      this.#random.normals(variable.size),
    );
    for (const { tensor, at, value } of faults) {
      const own = values[tensor];
      if (value === null) {
        values[tensor] = null;
      } else if (own !== null) {
        own[at % own.length] = value;
      }
    }
    return values;
  }

  #note(values: readonly (Float32Array | null)[], step: number): void {
    if (values.some((own) => own?.some((value) => !Number.isFinite(value)))) {
      this.#nonFinite += 1;
      return;
    }
    this.#folds += 1;
    this.#step = step;
    this.#sums.forEach((sum, t) => {
      sum.forEach((value, i) => {
        const gradient = values[t]?.[i] ?? 0;
        this.largest = Math.max(this.largest, Math.abs(gradient));
        sum[i] = this.#decay * value + (1 - this.#decay) * gradient;
      });
    });
  }

  /** By tensor; `padding`: everything between tensors. */
  async read(): Promise<{ sums: Float32Array[]; padding: number[]; counters: number[]; remaining: number }> {
    const sums: Float32Array[] = [];
    const padding: number[] = [];
    for (const [c, { tensors, offsets, length }] of this.#layout.chunks.entries()) {
      const values = await valuesOf(() => this.#fold.sums(c));
      tensors.forEach((t, index) => {
        const end = offsets[index] + this.#tensors[t].variable.size;
        sums[t] = values.subarray(offsets[index], end);
        padding.push(...values.subarray(end, offsets[index + 1] ?? length));
      });
    }
    const counters = await valuesOf(() => this.#fold.counters());
    const [remaining] = await valuesOf(() => this.#fold.remaining);
    return { sums, padding, counters: [...counters], remaining };
  }

  expected(): { sums: readonly Float64Array[]; remaining: number; nonFinite: number; step: number } {
    return {
      sums: this.#sums,
      remaining: this.#decay ** this.#folds,
      nonFinite: this.#nonFinite,
      step: this.#step,
    };
  }

  dispose(): void {
    this.#fold.dispose();
    this.#layout.dispose();
    tf.dispose(this.#tensors.map(({ variable }) => variable));
  }
}

/** By an operation, as everything that needs them does. */
async function valuesOf(make: () => tf.Tensor): Promise<Float32Array> {
  const copy = tf.tidy(() => tf.add(make(), 0));
  const values = (await copy.data()) as Float32Array;
  copy.dispose();
  return values;
}
