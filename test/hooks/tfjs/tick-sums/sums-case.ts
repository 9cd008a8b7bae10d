import * as tf from '@tensorflow/tfjs';
import { FlatLayout } from '../../../../hooks/tfjs/flat-layout.js';
import { GradientAverage } from '../../../../hooks/tfjs/gradient-average.js';
import type { SharedTensor } from '../../../../hooks/tfjs/layout.js';
import { type LiveTau, liveTau } from '../../../../hooks/tfjs/live-tau.js';
import {
  type Chunks,
  LIVE_ROW,
  LIVE_ROWS,
  REFERENCE_ROW,
  ROWS_PER_REFERENCE,
  type SumSources,
  type SumsWay,
} from '../../../../hooks/tfjs/tick-sums/index.js';
import { Random } from '../../../../src/tensors/index.js';

export interface CaseOptions {
  /** of the live model's tensors; a pair of numbers for a matrix with a LoRA adapter of rank 2 */
  readonly sizes: readonly (number | readonly [number, number])[];
  /** for each reference, whether it has gradients */
  readonly references: readonly boolean[];
  readonly folds?: number;
  /** whether the run measures gradients at all */
  readonly hasGradients?: boolean;
  /** see FlatLayout */
  readonly chunk?: number;
  readonly seed?: number;
}

const DECAY = 0.75;
const RANK = 2;
const SCALE = 0.5;

/** Random live model and references on the device, and the same numbers on the host. */
export class SumsCase {
  readonly sources: SumSources;
  readonly #vectors: { tau: Chunks; gradient: Chunks | null }[];
  readonly layout: FlatLayout;
  readonly tensors: readonly SharedTensor[];
  readonly #average: GradientAverage | null;
  readonly #taus: readonly LiveTau[];
  readonly #held: tf.Tensor[] = [];
  readonly #folds: number;
  /** by tensor, in float64 where they are the result of arithmetic */
  readonly #live: { tau: Float64Array; gradient: Float64Array }[] = [];
  /** by reference and tensor */
  readonly #references: { tau: Float32Array[]; gradient: Float32Array[] | null }[];

  constructor({ sizes, references, folds = 2, hasGradients = true, chunk, seed = 0 }: CaseOptions) {
    const random = new Random('sums', seed);
    this.#folds = folds;
    const bases: tf.Tensor[] = [];
    this.tensors = sizes.map((size, t) => {
      const adapted = typeof size !== 'number';
      return adapted ? this.#adapted(random, size, t, bases) : this.#full(random, size, t, bases);
    });
    this.layout = new FlatLayout(this.tensors, chunk);
    this.#taus = this.tensors.map((tensor, t) => liveTau(tensor, () => bases[t]));
    this.#average = hasGradients ? new GradientAverage(this.layout, DECAY) : null;
    this.#foldAll(random);
    this.#references = references.map((withGradient) => ({
      tau: this.tensors.map(({ variable }) => random.normals(variable.size, 0.1)),
      gradient: withGradient ? this.tensors.map(({ variable }) => random.normals(variable.size, 0.01)) : null,
    }));
    this.#vectors = this.#references.map(({ tau, gradient }) => ({
      tau: this.#onDevice(tau),
      gradient: gradient && this.#onDevice(gradient),
    }));
    this.sources = {
      layout: this.layout,
      taus: this.#taus,
      gradients: this.#average,
      references: this.#vectors,
    };
  }

  #full(random: Random, size: number, t: number, bases: tf.Tensor[]): SharedTensor {
    const base = random.normals(size, 0.5);
    const weights = base.map((value) => value + 0.1 * random.normal());
    bases.push(tf.tensor1d(base));
    this.#live.push({
      tau: Float64Array.from(weights, (value, i) => value - base[i]),
      gradient: new Float64Array(size),
    });
    const variable = tf.tidy(() => tf.variable(tf.tensor1d(weights)));
    return { name: `t${t}`, shape: [size], variable, permutation: null, trainable: true, factors: null };
  }

  /** The matrix [rows, columns] is frozen; its task vector is the product of two factors. */
  #adapted(random: Random, [rows, columns]: readonly [number, number], t: number, bases: tf.Tensor[]) {
    const left = random.normals(rows * RANK, 0.3);
    const right = random.normals(RANK * columns, 0.3);
    const tau = new Float64Array(rows * columns);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        for (let r = 0; r < RANK; r++) {
          tau[i * columns + j] += SCALE * left[i * RANK + r] * right[r * columns + j];
        }
      }
    }
    this.#live.push({ tau, gradient: new Float64Array(rows * columns) });
    const make = (values: Float32Array, shape: [number, number], trainable: boolean) =>
      tf.tidy(() => tf.variable(tf.tensor2d(values, shape), trainable));
    const variable = make(random.normals(rows * columns), [rows, columns], false);
    const factors = {
      left: { variable: make(left, [rows, RANK], true), transposed: false },
      right: { variable: make(right, [RANK, columns], true), transposed: false },
      rank: RANK,
      scale: SCALE,
    };
    this.#held.push(factors.left.variable, factors.right.variable);
    // The way of an adapter has no base of its own.
    bases.push(variable);
    return { name: `t${t}`, shape: [rows, columns], variable, permutation: null, trainable: false, factors };
  }

  #foldAll(random: Random): void {
    for (let fold = 0; fold < this.#folds; fold++) {
      const steps = this.tensors.map(({ variable }) => random.normals(variable.size, 0.01));
      steps.forEach((step, t) => {
        const { gradient } = this.#live[t];
        gradient.forEach((value, i) => {
          gradient[i] = DECAY * value + (1 - DECAY) * step[i];
        });
      });
      const gradients = Object.fromEntries(
        this.tensors.map(({ variable }, t) => [variable.name, tf.tensor(steps[t], variable.shape)]),
      );
      this.#average?.fold(gradients, fold);
      tf.dispose(gradients);
    }
    const folded = 1 - DECAY ** this.#folds;
    for (const { gradient } of this.#live) {
      gradient.forEach((value, i) => {
        gradient[i] = value / folded;
      });
    }
  }

  #onDevice(parts: readonly Float32Array[]): Chunks {
    const chunks = this.layout.chunks.map((chunk) =>
      tf.keep(tf.tensor1d(this.layout.flatten(chunk, (t) => parts[t]))),
    );
    this.#held.push(...chunks);
    return { chunk: (c) => chunks[c] };
  }

  /** Makes a reference's task vector what the live one is, of one tensor. */
  async meet(reference: number, tensor: number): Promise<void> {
    const { variable } = this.tensors[tensor];
    const weights = await variable.data();
    const base = await this.#taus[tensor].origin.data();
    const tau = this.#references[reference].tau[tensor];
    tau.forEach((_, i) => {
      tau[i] = weights[i] - base[i];
      this.#live[tensor].tau[i] = tau[i];
    });
    this.#vectors[reference].tau = this.#onDevice(this.#references[reference].tau);
  }

  /** Puts a value into a tensor's weights. */
  async spoil(tensor: number, at: number, value: number): Promise<void> {
    const { variable } = this.tensors[tensor];
    const weights = Float32Array.from(await variable.data());
    weights[at] = value;
    const spoilt = tf.tensor(weights, variable.shape);
    variable.assign(spoilt);
    spoilt.dispose();
    this.#live[tensor].tau[at] = Number.NaN;
  }

  /** Sums by tensor, then row, as a way takes them. */
  async measured(way: SumsWay, watched: readonly number[]): Promise<number[][]> {
    const sums = way.make(this.sources);
    try {
      return await this.read(sums, watched);
    } finally {
      sums.dispose();
    }
  }

  async read(sums: ReturnType<SumsWay['make']>, watched: readonly number[]): Promise<number[][]> {
    const rows = LIVE_ROWS + ROWS_PER_REFERENCE * watched.length;
    const found: number[][] = [];
    for (const [c, { tensors }] of this.layout.chunks.entries()) {
      const packed = tf.tidy(() => {
        const made = new Map<number, tf.Tensor>();
        const dense = (t: number) => {
          const tau = made.get(t) ?? this.#taus[t].dense();
          made.set(t, tau);
          return tau;
        };
        return sums.measure(c, dense, watched);
      });
      const values = await packed.data();
      packed.dispose();
      if (values.length !== rows * tensors.length) {
        throw new Error(`${values.length} sums instead of ${rows} rows of ${tensors.length} tensors`);
      }
      tensors.forEach((t, column) => {
        found[t] = Array.from({ length: rows }, (_, row) => values[row * tensors.length + column]);
      });
    }
    return found;
  }

  /** The same by plain loops in float64, and what a float32 sum may be wrong by if every product were wrong by 1. */
  expected(watched: readonly number[]): { sums: number[][]; scales: number[][] } {
    const hasLive = this.#average !== null && this.#folds > 0;
    const sums: number[][] = [];
    const scales: number[][] = [];
    this.tensors.forEach((_, t) => {
      const { tau, gradient } = this.#live[t];
      const row = new Array(LIVE_ROWS + ROWS_PER_REFERENCE * watched.length).fill(Number.NaN);
      const scale = row.slice();
      const put = (at: number, terms: (i: number) => [number, number]) => {
        row[at] = 0;
        scale[at] = 0;
        for (let i = 0; i < tau.length; i++) {
          const [term, size] = terms(i);
          row[at] += term;
          scale[at] += size;
        }
      };
      const compare = (
        at: number,
        a: Float64Array,
        b: Float32Array,
        rows: { dot: number; distance: number },
      ) => {
        put(at + rows.dot, (i) => [a[i] * b[i], Math.abs(a[i] * b[i])]);
        put(at + rows.distance, (i) => {
          const difference = a[i] - b[i];
          // A difference of roundings is as good as none.
          return [difference ** 2, difference ** 2 + 1e-7 * Math.abs(difference) * (Math.abs(a[i]) + 1)];
        });
      };
      const square = (at: number, a: Float64Array) =>
        put(at, (i) => [a[i] ** 2, a[i] ** 2 + 1e-7 * Math.abs(a[i])]);
      square(LIVE_ROW.tau, tau);
      if (hasLive) {
        square(LIVE_ROW.gradient, gradient);
      }
      watched.forEach((r, place) => {
        const at = LIVE_ROWS + ROWS_PER_REFERENCE * place;
        const { tauDot, tauDistance, gradientDot, gradientDistance } = REFERENCE_ROW;
        const reference = this.#references[r];
        compare(at, tau, reference.tau[t], { dot: tauDot, distance: tauDistance });
        if (hasLive && reference.gradient) {
          compare(at, gradient, reference.gradient[t], { dot: gradientDot, distance: gradientDistance });
        }
      });
      sums.push(row);
      scales.push(scale);
    });
    return { sums, scales };
  }

  dispose(): void {
    this.#average?.dispose();
    this.layout.dispose();
    for (const tau of this.#taus) {
      tau.dispose();
    }
    tf.dispose([...this.#held, ...this.tensors.map(({ variable }) => variable)]);
  }
}
