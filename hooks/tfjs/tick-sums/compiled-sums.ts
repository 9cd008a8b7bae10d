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
let trial: { readonly reason: string | null } | null = null;

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
 * Whether the active backend is libtensorflow's and compiles functions here: null, or why not. A small one is tried, once
 * a process: its binding may be too old, and XLA wants tools of CUDA for a GPU.
 */
export function whyNotCompiled(): string | null {
  if (trial === null) {
    trial = { reason: null };
    try {
      tf.tidy(() => {
        const name = defined('trial', (own) => {
          const f = new FunctionWriter(own);
          const input = f.input();
          return f.returning(f.node('Mul', [input, input], 'z', { T: attribute.float }));
        });
        backend()
          .executeSingleOutput(name, [], [tf.ones([BLOCK])])
          .dataSync();
      });
    } catch (error) {
      trial = { reason: (error as Error).message.split('\n')[0] };
    }
  }
  return trial.reason;
}

/**
 * By one function a chunk on tensorflow, compiled by XLA: the task vector is written and read again, everything else read once,
 * 4 D (5 + 2 R) bytes. Where single operations would move, for every pair of vectors, 32 D bytes and be twenty of them a
 * reference, this is one for all. It is compiled anew for every set of references that differs in which have gradients.
 */
export class CompiledSums implements TickSums {
  readonly #sources: SumSources;
  /** by chunk: the tensor that each block belongs to [blocks] int32, kept */
  readonly #owners: readonly tf.Tensor1D[];

  constructor(sources: SumSources) {
    this.#sources = sources;
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
    const key = JSON.stringify([parts, comparison]);
    const name = defined(key, (own) => sumsFunction(own, parts, comparison));
    return backend().executeSingleOutput(name, [], inputs) as tf.Tensor1D;
  }

  dispose(): void {
    tf.dispose([...this.#owners]);
  }
}
