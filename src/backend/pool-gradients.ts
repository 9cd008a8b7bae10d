import * as tf from '@tensorflow/tfjs';
import type { KernelArguments, WasmBackend } from './kernel-types.js';

/**
 * Gradients of pooling that tfjs 4.22 computes wrongly.
 *
 * - `AvgPoolGrad` of cpu, wasm and webgpu divides by the whole window where the forward pass divides by its part
 *   inside the image: too small at the edges of an image that is padded.
 * - `MaxPoolGrad` of wasm looks for the largest value above the smallest positive float: the gradient of a window
 *   without a positive value is lost, or added to the first pixel of the batch.
 */

const corrected = new Set<string>();

/** Puts the right gradients in place, once a backend and process. The backend must have been imported. */
export function correctPoolGradients(backendName: 'cpu' | 'wasm' | 'webgpu'): void {
  if (corrected.has(backendName)) {
    return;
  }
  corrected.add(backendName);
  const average = tf.getKernel('AvgPoolGrad', backendName);
  replace('AvgPoolGrad', backendName, (parts) => avgPoolGrad(parts, average.kernelFunc));
  if (backendName === 'wasm') {
    replace('MaxPoolGrad', backendName, maxPoolGrad);
  }
}

function replace(
  kernelName: string,
  backendName: string,
  kernelFunc: (parts: KernelArguments) => tf.TensorInfo,
): void {
  const original = tf.getKernel(kernelName, backendName);
  tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({ ...original, kernelFunc: kernelFunc as unknown as tf.KernelFunc });
}

/** dy [N, H', W', C] is scaled up where windows reach over the edge, before the original divides it. */
function avgPoolGrad({ inputs, backend, attrs }: KernelArguments, original: tf.KernelFunc): tf.TensorInfo {
  const info = poolInfo(inputs.input.shape, attrs);
  const rows = cellsInside(
    info.inHeight,
    info.outHeight,
    info.strideHeight,
    info.filterHeight,
    info.padInfo.top,
  );
  const columns = cellsInside(
    info.inWidth,
    info.outWidth,
    info.strideWidth,
    info.filterWidth,
    info.padInfo.left,
  );
  const window = info.filterHeight * info.filterWidth;
  const run = (dy: tf.TensorInfo) =>
    original({
      inputs: { ...inputs, dy },
      backend: backend as tf.KernelBackend,
      attrs: attrs as tf.NamedAttrMap,
    }) as tf.TensorInfo;
  if (Math.min(...rows) * Math.min(...columns) === window) {
    return run(inputs.dy);
  }
  const scales = rows.flatMap((row) => columns.map((column) => window / (row * column)));
  const scaled = tf.tidy(() =>
    tf.mul(inputs.dy as tf.Tensor, tf.tensor4d(scales, [1, rows.length, columns.length, 1])),
  );
  const dx = run(scaled);
  scaled.dispose();
  return dx;
}

/** Along one axis, for each window, how many of its cells lie inside the image. */
function cellsInside(
  length: number,
  windows: number,
  stride: number,
  size: number,
  before: number,
): number[] {
  return Array.from({ length: windows }, (_, index) => {
    const start = index * stride - before;
    // A window wholly in the padding averages nothing: any divisor does.
    return Math.max(1, Math.min(length, start + size) - Math.max(0, start));
  });
}

/** The gradient goes to the first of the largest values of each window, as in TensorFlow. */
function maxPoolGrad({ inputs, backend, attrs }: KernelArguments): tf.TensorInfo {
  const info = poolInfo(inputs.input.shape, attrs);
  const { inHeight, inWidth, inChannels: channels, outHeight, outWidth } = info;
  const wasm = backend as WasmBackend;
  const out = wasm.makeOutput(inputs.input.shape, inputs.input.dtype);
  // After makeOutput: allocating may grow the heap, and views made before would be detached.
  const dx = wasm.typedArrayFromHeap(out);
  const x = wasm.typedArrayFromHeap(inputs.input);
  const dy = wasm.typedArrayFromHeap(inputs.dy);
  dx.fill(0);
  let at = 0;
  for (let image = 0; image < info.batchSize; image++) {
    for (let outRow = 0; outRow < outHeight; outRow++) {
      const top = outRow * info.strideHeight - info.padInfo.top;
      const bottom = Math.min(inHeight, top + info.filterHeight);
      for (let outColumn = 0; outColumn < outWidth; outColumn++) {
        const left = outColumn * info.strideWidth - info.padInfo.left;
        const right = Math.min(inWidth, left + info.filterWidth);
        for (let channel = 0; channel < channels; channel++) {
          let largest = -1;
          for (let row = Math.max(0, top); row < bottom; row++) {
            for (let column = Math.max(0, left); column < right; column++) {
              const pixel = ((image * inHeight + row) * inWidth + column) * channels + channel;
              if (largest < 0 || x[pixel] > x[largest]) {
                largest = pixel;
              }
            }
          }
          if (largest >= 0) {
            dx[largest] += dy[at];
          }
          at++;
        }
      }
    }
  }
  return out;
}

function poolInfo(shape: readonly number[], attrs: unknown): tf.backend_util.Conv2DInfo {
  const { filterSize, strides, pad, dimRoundingMode } = attrs as tf.MaxPoolGradAttrs;
  return tf.backend_util.computePool2DInfo(
    shape as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
}
