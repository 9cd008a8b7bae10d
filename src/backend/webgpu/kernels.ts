import * as tf from '@tensorflow/tfjs';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { segmentSum } from './segment-sum.js';

/**
 * Kernels of tfjs 4.22's webgpu backend that are wrong.
 *
 * - `AddN` binds a buffer for every tensor; a device takes a dozen or so, and drops the whole batch of kernels otherwise.
 * - `UnsortedSegmentSum` (gradient of an embedding) wraps ids past the end around, and adds int32 as if they were floats.
 */

let registered = false;

/** Puts the right kernels in place, once a process. The backend must have been imported. */
export function registerWebgpuKernels(): void {
  if (registered) {
    return;
  }
  registered = true;
  const addSome = tf.getKernel('AddN', 'webgpu').kernelFunc;
  replace('AddN', ({ inputs, backend }) => {
    const webgpu = backend as WebGPUBackend;
    // One buffer is the result's.
    const most = webgpu.device.limits.maxStorageBuffersPerShaderStage - 1;
    return addN(inputs as unknown as tf.TensorInfo[], most, webgpu, addSome);
  });
  replace('UnsortedSegmentSum', segmentSum);
}

function replace(kernelName: string, kernelFunc: tf.KernelFunc): void {
  const original = tf.getKernel(kernelName, 'webgpu');
  tf.unregisterKernel(kernelName, 'webgpu');
  tf.registerKernel({ ...original, kernelFunc });
}

/** The sum of tensors of one shape, `most` at a time. */
function addN(
  tensors: readonly tf.TensorInfo[],
  most: number,
  backend: WebGPUBackend,
  addSome: tf.KernelFunc,
): tf.TensorInfo {
  const add = (some: readonly tf.TensorInfo[]) =>
    addSome({ inputs: some as unknown as tf.NamedTensorInfoMap, backend, attrs: {} }) as tf.TensorInfo;
  let sum = add(tensors.slice(0, most));
  for (let next = most; next < tensors.length; next += most - 1) {
    const before = sum;
    sum = add([before, ...tensors.slice(next, next + most - 1)]);
    backend.disposeData(before.dataId);
  }
  return sum;
}
