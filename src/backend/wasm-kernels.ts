import * as tf from '@tensorflow/tfjs';
import type { KernelArguments, WasmBackend } from './kernel-types.js';

/**
 * What the wasm backend lacks for training, and one kernel that it has but slowly.
 *
 * - `BatchMatMul` with a transpose flag is about nine times slower than without: transpose first.
 * - `Conv2DBackpropFilter`, `DepthwiseConv2dNativeBackpropFilter`, `DepthwiseConv2dNativeBackpropInput`
 *   (gradients of convolutions) and `UnsortedSegmentSum` (gradient of an embedding) do not exist.
 */

let registered = false;

/** Registers the kernels, once a process. The wasm backend must have been imported. */
export function registerWasmKernels(): void {
  if (registered) {
    return;
  }
  registered = true;
  replaceBatchMatMul();
  registerMissing('Conv2DBackpropFilter', conv2dBackpropFilter);
  registerMissing('DepthwiseConv2dNativeBackpropFilter', depthwiseBackpropFilter);
  registerMissing('DepthwiseConv2dNativeBackpropInput', depthwiseBackpropInput);
  registerMissing('UnsortedSegmentSum', unsortedSegmentSum);
}

/** A later tfjs may bring the kernel itself; then that one stays. */
function registerMissing(kernelName: string, kernelFunc: (parts: KernelArguments) => tf.TensorInfo): void {
  if (tf.getKernel(kernelName, 'wasm') == null) {
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      kernelFunc: kernelFunc as unknown as tf.KernelFunc,
    });
  }
}

function replaceBatchMatMul(): void {
  const original = tf.getKernel('BatchMatMul', 'wasm');
  const transpose = tf.getKernel('Transpose', 'wasm').kernelFunc;
  tf.unregisterKernel('BatchMatMul', 'wasm');
  tf.registerKernel({
    ...original,
    kernelFunc: (({ inputs, backend, attrs }: KernelArguments) => {
      const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
      const owner = backend as tf.KernelBackend;
      const turn = (x: tf.TensorInfo): tf.TensorInfo => {
        const perm = x.shape.map((_, axis) => axis);
        perm.push(...perm.splice(-2).reverse());
        return transpose({ inputs: { x }, backend: owner, attrs: { perm } }) as tf.TensorInfo;
      };
      const a = transposeA ? turn(inputs.a) : inputs.a;
      const b = transposeB ? turn(inputs.b) : inputs.b;
      const product = original.kernelFunc({
        inputs: { a, b },
        backend: owner,
        attrs: { transposeA: false, transposeB: false },
      });
      if (transposeA) {
        owner.disposeData(a.dataId);
      }
      if (transposeB) {
        owner.disposeData(b.dataId);
      }
      return product;
    }) as unknown as tf.KernelFunc,
  });
}

/** x [N, H, W, Ci] and dy [N, H', W', Co] give dW [kh, kw, Ci, Co]: one matrix product for each filter cell. */
function conv2dBackpropFilter({ inputs, attrs }: KernelArguments): tf.TensorInfo {
  const { strides, pad, dataFormat, dimRoundingMode, filterShape } = attrs as tf.Conv2DBackpropFilterAttrs;
  const info = tf.backend_util.computeConv2DInfo(
    inputs.x.shape as [number, number, number, number],
    filterShape,
    strides,
    1,
    pad,
    dimRoundingMode,
    false,
    tf.backend_util.convertConv2DDataFormat(dataFormat),
  );
  const channelsLast = info.dataFormat === 'channelsLast';
  return tf.tidy(() => {
    const x = asTensor(inputs.x);
    const dy = asTensor(inputs.dy);
    const image = channelsLast ? x : tf.transpose(x, [0, 2, 3, 1]);
    const gradient = channelsLast ? dy : tf.transpose(dy, [0, 2, 3, 1]);
    const rows = tf.reshape(gradient, [-1, info.outChannels]) as tf.Tensor2D;
    const cells = windows(image as tf.Tensor4D, info).map((window) =>
      tf.matMul(tf.reshape(window, [-1, info.inChannels]) as tf.Tensor2D, rows, true, false),
    );
    return tf.reshape(tf.stack(cells), [
      info.filterHeight,
      info.filterWidth,
      info.inChannels,
      info.outChannels,
    ]);
  });
}

/** x [N, H, W, C] and dy [N, H', W', C M] give dW [kh, kw, C, M]. */
function depthwiseBackpropFilter({ inputs, attrs }: KernelArguments): tf.TensorInfo {
  const { strides, dilations, pad, dimRoundingMode, filterShape } =
    attrs as tf.DepthwiseConv2dNativeBackpropFilterAttrs;
  const x = inputs.x as tf.TensorInfo;
  const info = depthwiseInfo(x.shape, filterShape, strides, dilations, pad, dimRoundingMode);
  const multiplier = info.outChannels / info.inChannels;
  return tf.tidy(() => {
    const gradient = tf.reshape(asTensor(inputs.dy), [-1, info.inChannels, multiplier]);
    const cells = windows(asTensor(x) as tf.Tensor4D, info).map((window) =>
      tf.sum(tf.mul(tf.reshape(window, [-1, info.inChannels, 1]), gradient), 0),
    );
    return tf.reshape(tf.stack(cells), [info.filterHeight, info.filterWidth, info.inChannels, multiplier]);
  });
}

/**
 * dy [N, H', W', C M] and the filter [kh, kw, C, M] give dx [N, H, W, C]: every filter cell's share is spread
 * back to the pixels that it read, by inserting the stride's zeros and padding to the cell's place.
 */
function depthwiseBackpropInput({ inputs, attrs }: KernelArguments): tf.TensorInfo {
  const { strides, dilations, pad, dimRoundingMode, inputShape } =
    attrs as tf.DepthwiseConv2dNativeBackpropInputAttrs;
  const filterShape = inputs.filter.shape as [number, number, number, number];
  const info = depthwiseInfo(inputShape, filterShape, strides, dilations, pad, dimRoundingMode);
  const multiplier = info.outChannels / info.inChannels;
  const { padded, rowReach, columnReach } = paddedSize(info);
  return tf.tidy(() => {
    const filter = asTensor(inputs.filter);
    const gradient = tf.reshape(asTensor(inputs.dy), [
      info.batchSize,
      info.outHeight,
      info.outWidth,
      info.inChannels,
      multiplier,
    ]);
    let total: tf.Tensor4D | null = null;
    for (let row = 0; row < info.filterHeight; row++) {
      for (let column = 0; column < info.filterWidth; column++) {
        const weight = tf.reshape(tf.slice(filter, [row, column, 0, 0], [1, 1, -1, -1]), [
          info.inChannels,
          multiplier,
        ]);
        const share = tf.sum(tf.mul(gradient, weight), -1) as tf.Tensor4D;
        const spread = insertZeros(share, info.strideHeight, info.strideWidth);
        const top = row * info.dilationHeight;
        const left = column * info.dilationWidth;
        const placed = tf.pad(spread, [
          [0, 0],
          [top, padded[0] - rowReach - top],
          [left, padded[1] - columnReach - left],
          [0, 0],
        ]) as tf.Tensor4D;
        total = total == null ? placed : (tf.add(total, placed) as tf.Tensor4D);
      }
    }
    return tf.slice(
      total as tf.Tensor4D,
      [0, info.padInfo.top, info.padInfo.left, 0],
      [-1, info.inHeight, info.inWidth, -1],
    );
  });
}

/** [N, H, W, C] to [N, (H - 1) sh + 1, (W - 1) sw + 1, C], zeros between. */
function insertZeros(x: tf.Tensor4D, strideHeight: number, strideWidth: number): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  if (strideHeight === 1 && strideWidth === 1) {
    return x;
  }
  const cells = tf.pad(tf.reshape(x, [batch, height, 1, width, channels]), [
    [0, 0],
    [0, 0],
    [0, strideHeight - 1],
    [0, 0],
    [0, 0],
  ]);
  const rows = tf.pad(tf.reshape(cells, [batch, height * strideHeight, width, 1, channels]), [
    [0, 0],
    [0, 0],
    [0, 0],
    [0, strideWidth - 1],
    [0, 0],
  ]);
  const full = tf.reshape(rows, [batch, height * strideHeight, width * strideWidth, channels]) as tf.Tensor4D;
  return tf.slice(
    full,
    [0, 0, 0, 0],
    [-1, (height - 1) * strideHeight + 1, (width - 1) * strideWidth + 1, -1],
  );
}

function depthwiseInfo(
  inputShape: readonly number[],
  filterShape: [number, number, number, number],
  strides: [number, number] | number,
  dilations: [number, number] | number,
  pad: Parameters<typeof tf.backend_util.computeConv2DInfo>[4],
  dimRoundingMode?: 'floor' | 'round' | 'ceil',
): tf.backend_util.Conv2DInfo {
  return tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filterShape,
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    true,
  );
}

/** Rows and columns that the strided output reaches over, and the padded image that holds every window. */
function paddedSize(info: tf.backend_util.Conv2DInfo): {
  padded: [number, number];
  rowReach: number;
  columnReach: number;
} {
  const rowReach = (info.outHeight - 1) * info.strideHeight + 1;
  const columnReach = (info.outWidth - 1) * info.strideWidth + 1;
  const { top, bottom, left, right } = info.padInfo;
  return {
    rowReach,
    columnReach,
    padded: [
      Math.max(info.inHeight + top + bottom, rowReach + (info.filterHeight - 1) * info.dilationHeight),
      Math.max(info.inWidth + left + right, columnReach + (info.filterWidth - 1) * info.dilationWidth),
    ],
  };
}

/** For each filter cell, row by row, the pixels [N, H', W', C] that it meets. */
function windows(x: tf.Tensor4D, info: tf.backend_util.Conv2DInfo): tf.Tensor[] {
  const { padded, rowReach, columnReach } = paddedSize(info);
  const { top, left } = info.padInfo;
  const image = tf.pad(x, [
    [0, 0],
    [top, padded[0] - info.inHeight - top],
    [left, padded[1] - info.inWidth - left],
    [0, 0],
  ]);
  const found: tf.Tensor[] = [];
  for (let row = 0; row < info.filterHeight; row++) {
    for (let column = 0; column < info.filterWidth; column++) {
      const r = row * info.dilationHeight;
      const c = column * info.dilationWidth;
      found.push(
        tf.stridedSlice(
          image,
          [0, r, c, 0],
          [info.batchSize, r + rowReach, c + columnReach, info.inChannels],
          [1, info.strideHeight, info.strideWidth, 1],
        ),
      );
    }
  }
  return found;
}

/** x [N, ...] summed by segmentIds [N] into [numSegments, ...]; ids outside the range are left out. */
function unsortedSegmentSum({ inputs, backend, attrs }: KernelArguments): tf.TensorInfo {
  const { x, segmentIds } = inputs;
  const { numSegments } = attrs as { numSegments: number };
  const wasm = backend as WasmBackend;
  const out = wasm.makeOutput([numSegments, ...x.shape.slice(1)], x.dtype);
  // After makeOutput: allocating may grow the heap, and views made before would be detached.
  const sums = wasm.typedArrayFromHeap(out);
  const values = wasm.typedArrayFromHeap(x);
  const ids = wasm.typedArrayFromHeap(segmentIds);
  const width = tf.util.sizeFromShape(x.shape.slice(1));
  sums.fill(0);
  for (let row = 0; row < ids.length; row++) {
    const id = ids[row];
    if (id >= 0 && id < numSegments) {
      for (let column = 0; column < width; column++) {
        sums[id * width + column] += values[row * width + column];
      }
    }
  }
  return out;
}

/** tfjs hands kernels its tensors, typed by their smaller interface; ops can be composed of them as they are. */
function asTensor(input: tf.TensorInfo): tf.Tensor {
  return input as tf.Tensor;
}
