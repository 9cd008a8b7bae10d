import * as tf from '@tensorflow/tfjs';
import { callFunction } from '../compute/functions.js';
import { foldFunction } from './fold-function.js';
import type { FoldSources, GradientFold, Gradients } from './gradient-fold.js';

/**
 * By one function on tensorflow, where a call of an operation takes 50 us whatever it does. As its operations run one by one
 * it moves 12.5 * 4 D bytes; compiled by XLA 4 * 4 D, or 6 * 4 D where it writes the gradients down joined.
 */
export class FunctionFold implements GradientFold {
  readonly #sources: FoldSources;
  readonly #isCompiled: boolean;
  /** in place of missing gradients, by their size, made when they are */
  readonly #zeros = new Map<number, tf.Tensor1D>();
  #sums: tf.Tensor1D[];
  #counters: tf.Tensor1D;

  constructor(sources: FoldSources, isCompiled: boolean) {
    this.#sources = sources;
    this.#isCompiled = isCompiled;
    this.#sums = sources.layout.chunks.map(({ length }) => tf.keep(tf.fill([length], 0) as tf.Tensor1D));
    this.#counters = tf.keep(tf.tensor1d([1, 0, -1]));
  }

  fold(gradients: Gradients, step: number): void {
    const { tensors } = this.#sources.layout;
    const next = this.#folded((t) => {
      const { name, size } = tensors[t].variable;
      return gradients[name] ?? this.#zerosOf(size);
    }, step);
    tf.dispose([...this.#sums, this.#counters]);
    [this.#sums, this.#counters] = [next.slice(0, -1), next[next.length - 1]];
  }

  rehearse(): void {
    const { tensors } = this.#sources.layout;
    tf.dispose(this.#folded((t) => tensors[t].variable, 0));
  }

  /** The sums, then the counters, kept. */
  #folded(part: (tensor: number) => tf.Tensor, step: number): tf.Tensor1D[] {
    const { layout, decay } = this.#sources;
    const isCompiled = this.#isCompiled;
    const sizes = layout.chunks.map(({ tensors }) => tensors.map((t) => layout.tensors[t].variable.size));
    const key = JSON.stringify(['fold', isCompiled, decay, sizes]);
    const write = (name: string) => foldFunction(name, sizes, decay, isCompiled);
    const results = tf.tidy(() => {
      const gradients = layout.chunks.flatMap(({ tensors }) => tensors.map(part));
      const inputs = [...gradients, ...this.#sums, this.#counters, tf.scalar(step)];
      return callFunction(key, write, inputs, this.#sums.length + 1);
    });
    return results.map((result) => tf.keep(result as tf.Tensor1D));
  }

  #zerosOf(size: number): tf.Tensor1D {
    const zeros = this.#zeros.get(size) ?? tf.keep(tf.fill([size], 0) as tf.Tensor1D);
    this.#zeros.set(size, zeros);
    return zeros;
  }

  sums(chunk: number): tf.Tensor1D {
    return this.#sums[chunk];
  }

  get remaining(): tf.Tensor {
    return this.#counters;
  }

  counters(): tf.Tensor1D {
    return this.#counters.clone();
  }

  dispose(): void {
    tf.dispose([...this.#sums, this.#counters, ...this.#zeros.values()]);
  }
}
