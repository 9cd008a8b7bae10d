import * as tf from '@tensorflow/tfjs';
import { DEFINE_FUNCTION } from '../../../src/backend/index.js';
import { BLOCK } from '../flat-layout.js';
import type { Comparison } from './compare-code.js';
import { attribute, FunctionWriter } from './function-def.js';
import { type Part, sumsFunction } from './sums-function.js';
import type { SumSources, TickSums } from './tick-sums.js';

/** What tfjs-node's backend has beside KernelBackend; `mergeguard backend install` builds a binding that can define functions. */
interface FunctionBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: {
    executeOp(
      name: string,
      attributes: readonly never[],
      handles: readonly number[],
      outputs: number,
    ): unknown;
  };
  executeSingleOutput(name: string, attributes: readonly never[], inputs: readonly tf.Tensor[]): tf.Tensor;
}

/** Names of defined functions by what they do: a process has one context, and functions stay in it. */
const names = new Map<string, string>();
/** whether functions are compiled, to why they do not run here, or null */
const trials = new Map<boolean, string | null>();

/** Of libtensorflow. On processors XLA is slower than single operations, which take all cores. */
export function isOnGpu(): boolean {
  return backend().isUsingGpuDevice;
}

function backend(): FunctionBackend {
  return tf.backend() as unknown as FunctionBackend;
}

function defined(key: string, write: (name: string) => Buffer): string {
  let name = names.get(key);
  if (name === undefined) {
    name = `mergeguard_${names.size}`;
    backend().binding.executeOp(DEFINE_FUNCTION + write(name).toString('hex'), [], [], 0);
    names.set(key, name);
  }
  return name;
}

/**
 * Null where functions run on the active backend, libtensorflow's; else why not. One is tried, once a process: the binding may not
 * be able to define any, and XLA wants tools of CUDA for a GPU.
 */
export function whyNoFunctions(isCompiled: boolean): string | null {
  let reason = trials.get(isCompiled);
  if (reason === undefined) {
    reason = null;
    try {
      tf.tidy(() => {
        const name = defined(`trial ${isCompiled}`, (own) => {
          const f = new FunctionWriter(own);
          return f.returning(f.node('Square', [f.input()], 'y', { T: attribute.float }), isCompiled);
        });
        backend()
          .executeSingleOutput(name, [], [tf.ones([BLOCK])])
          .dataSync();
      });
    } catch (error) {
      [reason] = (error as Error).message.split('\n');
    }
    trials.set(isCompiled, reason);
  }
  return reason;
}

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
    const name = defined(key, (own) => sumsFunction(own, parts, comparison, isCompiled));
    return backend().executeSingleOutput(name, [], inputs) as tf.Tensor1D;
  }

  dispose(): void {
    tf.dispose([...this.#owners]);
  }
}
