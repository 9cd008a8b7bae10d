import * as tf from '@tensorflow/tfjs';
import { callFunction } from '../compute/functions.js';
import { BLOCK } from '../flat-layout.js';
import type { Comparison } from './compare-code.js';
import { type Part, sumsFunction } from './sums-function.js';
import type { SumSources, TickSums } from './tick-sums.js';

/**
 * By one function a chunk on tensorflow, where a call of an operation takes 50 us whatever it does. Compiled by XLA it moves
 * 4 D (5 + 2 R) bytes: the task vector is written and read again, everything else read once. Else it moves 4 D (12 + 16 R)
 * bytes, as single operations do. A function is made anew for chunks and sets of references that differ in which have gradients.
 */
export class FunctionSums implements TickSums {
  readonly #sources: SumSources;
  readonly #isCompiled: boolean;
  /** by chunk: the tensor that each block belongs to [blocks] int32, kept */
  readonly #owners: readonly tf.Tensor1D[];

  constructor(sources: SumSources, isCompiled: boolean) {
    this.#sources = sources;
    this.#isCompiled = isCompiled;
    this.#owners = sources.layout.chunks.map((chunk) => {
      const owners = new Int32Array(chunk.length / BLOCK);
      chunk.offsets.forEach((offset, index) => {
        owners.fill(index, offset / BLOCK);
      });
      return tf.keep(tf.tensor1d(owners, 'int32'));
    });
  }

  measure(c: number, dense: (tensor: number) => tf.Tensor, watched: readonly number[]): tf.Tensor1D {
    const { layout, taus, gradients, references } = this.#sources;
    const inputs: tf.Tensor[] = [];
    const parts = layout.chunks[c].tensors.map((t): Part => {
      const { variable, factors } = layout.tensors[t];
      if (factors === null) {
        inputs.push(variable, taus[t].origin);
      } else {
        inputs.push(dense(t));
      }
      return { size: variable.size, hasBase: factors === null };
    });
    inputs.push(this.#owners[c]);
    if (gradients) {
      inputs.push(gradients.sums(c), gradients.remaining);
    }
    const compared = watched.map((r) => references[r]);
    for (const { tau, gradient } of compared) {
      inputs.push(tau.chunk(c));
      if (gradients && gradient) {
        inputs.push(gradient.chunk(c));
      }
    }
    const comparison: Comparison = {
      live: true,
      gradient: gradients !== null,
      references: compared.map(({ gradient }) => gradients !== null && gradient !== null),
    };
    const isCompiled = this.#isCompiled;
    const key = JSON.stringify([isCompiled, parts, comparison]);
    const write = (name: string) => sumsFunction(name, parts, comparison, isCompiled);
    const [sums] = callFunction(key, write, inputs, 1);
    return sums as tf.Tensor1D;
  }

  dispose(): void {
    tf.dispose([...this.#owners]);
  }
}
