import * as tf from '@tensorflow/tfjs';
import type { KernelArguments } from '../kernel-types.js';

/**
 * Kernels of tfjs-node that do more than they need to, which small models feel at every step:
 *
 * - `BatchMatMul` of two matrices: TensorFlow's own product of matrices takes half to all of the time of its batched one.
 * - `Reshape` to the shape that a tensor has and `Cast` to its type, both of which gradients ask for all the time: the tensor itself.
 */

/** What kernels use of tfjs-node's backend. */
interface TensorflowBackend {
  readonly binding: {
    readonly TF_ATTR_BOOL: number;
    readonly TF_ATTR_TYPE: number;
    readonly TF_FLOAT: number;
  };
  executeSingleOutput(
    name: string,
    attributes: { name: string; type: number; value: number | boolean }[],
    inputs: tf.TensorInfo[],
  ): tf.TensorInfo;
  incRef(dataId: object): void;
}

let taken = false;

/** Replaces the kernels, once a process. The backend must be registered. */
export function takeShortcuts(): void {
  if (taken) {
    return;
  }
  taken = true;
  shorten('BatchMatMul', productOfMatrices);
  shorten('Reshape', ({ inputs: { x }, attrs, backend }) => {
    const { shape } = attrs as { shape: number[] };
    return tf.util.arraysEqual(x.shape, shape) ? itself(x, backend) : null;
  });
  shorten('Cast', ({ inputs: { x }, attrs, backend }) => {
    const { dtype } = attrs as { dtype: tf.DataType };
    return x.dtype === dtype ? itself(x, backend) : null;
  });
}

/** @param shortcut gives null where it does not apply */
function shorten(kernelName: string, shortcut: (parts: KernelArguments) => tf.TensorInfo | null): void {
  const original = tf.getKernel(kernelName, 'tensorflow');
  tf.unregisterKernel(kernelName, 'tensorflow');
  tf.registerKernel({
    ...original,
    kernelFunc: ((parts: KernelArguments) =>
      shortcut(parts) ??
      original.kernelFunc(parts as Parameters<tf.KernelFunc>[0])) as unknown as tf.KernelFunc,
  });
}

function productOfMatrices({ inputs, attrs, backend }: KernelArguments): tf.TensorInfo | null {
  const { a, b } = inputs;
  if (a.shape.length !== 2 || b.shape.length !== 2 || a.dtype !== 'float32' || b.dtype !== 'float32') {
    return null;
  }
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  const { binding, executeSingleOutput } = backend as TensorflowBackend;
  const flag = (name: string, value: boolean) => ({ name, type: binding.TF_ATTR_BOOL, value });
  const attributes = [
    { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    flag('transpose_a', transposeA),
    flag('transpose_b', transposeB),
  ];
  return executeSingleOutput.call(backend, 'MatMul', attributes, [a, b]);
}

/** One more tensor with the same data. */
function itself(x: tf.TensorInfo, backend: unknown): tf.TensorInfo {
  (backend as TensorflowBackend).incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
}
