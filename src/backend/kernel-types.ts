import type * as tf from '@tensorflow/tfjs';

/** What tfjs hands to a kernel. */
export interface KernelArguments {
  inputs: Record<string, tf.TensorInfo>;
  backend: unknown;
  attrs: unknown;
}

/** What kernels use of the wasm backend's own. */
export interface WasmBackend extends tf.KernelBackend {
  makeOutput(shape: readonly number[], dtype: tf.DataType): tf.TensorInfo;
  typedArrayFromHeap(info: tf.TensorInfo): Float32Array | Int32Array;
}
