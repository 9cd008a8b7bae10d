import * as tf from '@tensorflow/tfjs';
import { DEFINE_FUNCTION } from '../../../src/backend/index.js';
import { attribute, FunctionWriter } from './function-def.js';

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
  executeMultipleOutputs(
    name: string,
    attributes: readonly never[],
    inputs: readonly tf.Tensor[],
    outputs: number,
  ): tf.Tensor[];
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

/**
 * Calls a function of tensors, which is defined at its first call.
 * @param key what it does: no other function has it
 * @param write gives the function of a name
 * @param outputs how many tensors it returns
 */
export function callFunction(
  key: string,
  write: (name: string) => Buffer,
  inputs: readonly tf.Tensor[],
  outputs: number,
): tf.Tensor[] {
  return backend().executeMultipleOutputs(defined(key, write), [], inputs, outputs);
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
        const write = (name: string) => {
          const f = new FunctionWriter(name);
          return f.returning([f.node('Square', [f.input()], 'y', { T: attribute.float })], isCompiled);
        };
        callFunction(`trial ${isCompiled}`, write, [tf.ones([2])], 1)[0].dataSync();
      });
    } catch (error) {
      // It names the operation, with all of the function.
      reason = (error as Error).message.replaceAll('\n', ' ').replace(/:[0-9a-f]{40,}/g, '');
    }
    trials.set(isCompiled, reason);
  }
  return reason;
}

/** How functions run on the active backend, the fastest first; none where they do not. */
export function functionWays(): readonly { readonly name: string; readonly isCompiled: boolean }[] {
  if (tf.getBackend() !== 'tensorflow' || whyNoFunctions(false) !== null) {
    return [];
  }
  const called = { name: 'function', isCompiled: false };
  if (whyNoFunctions(true) !== null) {
    return [called];
  }
  const compiled = { name: 'compiled', isCompiled: true };
  return isOnGpu() ? [compiled, called] : [called, compiled];
}
