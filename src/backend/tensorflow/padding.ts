import * as tf from '@tensorflow/tfjs';
import type { KernelArguments } from '../kernel-types.js';

/**
 * Padding by numbers. tfjs-node 4.22 hands TensorFlow the padding by its name, and refuses any but `same` and `valid`, or gets a wrong
 * gradient. Here the image is padded first, and the kernel works on that as `valid`; what falls on the padding is cut off again.
 */

/** Attributes of all these kernels, each has some of them. */
interface Attributes {
  readonly filterSize?: [number, number] | number;
  readonly filterShape?: [number, number, number, number];
  readonly inputShape?: [number, number, number, number];
  readonly strides: [number, number] | number;
  readonly dilations?: [number, number] | number;
  readonly pad: Parameters<typeof tf.backend_util.computeConv2DInfo>[4];
  readonly dataFormat?: 'NHWC' | 'NCHW';
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/** How a kernel is called on the padded image. */
interface Kernel {
  readonly name: string;
  /** the input that is an image; the others that are none stay as they are */
  readonly image?: 'x' | 'input';
  /** what the padding is filled with: nothing is larger than an image's own */
  readonly fill?: number;
  /** whether the result is an image too */
  readonly givesImage?: boolean;
  /** the tensor of means that leave the padding out: the result, or dy */
  readonly averages?: 'result' | 'dy';
}

const KERNELS: readonly Kernel[] = [
  { name: 'Conv2D', image: 'x' },
  { name: 'Conv2DBackpropInput', givesImage: true },
  { name: 'Conv2DBackpropFilter', image: 'x' },
  { name: 'DepthwiseConv2dNative', image: 'x' },
  { name: 'DepthwiseConv2dNativeBackpropInput', givesImage: true },
  { name: 'DepthwiseConv2dNativeBackpropFilter', image: 'x' },
  { name: 'MaxPool', image: 'x', fill: Number.NEGATIVE_INFINITY },
  { name: 'MaxPoolGrad', image: 'input', fill: Number.NEGATIVE_INFINITY, givesImage: true },
  { name: 'AvgPool', image: 'x', averages: 'result' },
  { name: 'AvgPoolGrad', image: 'input', averages: 'dy', givesImage: true },
];

let taught = false;

/** Replaces the kernels, once a process. The backend must be registered. */
export function takePaddingByNumbers(): void {
  if (taught) {
    return;
  }
  taught = true;
  for (const kernel of KERNELS) {
    const original = tf.getKernel(kernel.name, 'tensorflow');
    tf.unregisterKernel(kernel.name, 'tensorflow');
    const kernelFunc = (parts: KernelArguments) => run(kernel, original.kernelFunc, parts);
    tf.registerKernel({ ...original, kernelFunc: kernelFunc as unknown as tf.KernelFunc });
  }
}

function run(kernel: Kernel, original: tf.KernelFunc, parts: KernelArguments): tf.TensorInfo {
  const attrs = parts.attrs as Attributes;
  const call = (inputs: KernelArguments['inputs'], attributes: Attributes) =>
    original({
      inputs,
      backend: parts.backend as tf.KernelBackend,
      attrs: attributes as unknown as tf.NamedAttrMap,
    }) as tf.Tensor;
  if (attrs.pad === 'same' || attrs.pad === 'valid') {
    return call(parts.inputs, attrs);
  }
  return tf.tidy(() => runPadded(kernel, call, parts.inputs, attrs));
}

function runPadded(
  { image, fill = 0, givesImage, averages }: Kernel,
  call: (inputs: KernelArguments['inputs'], attributes: Attributes) => tf.Tensor,
  inputs: KernelArguments['inputs'],
  attrs: Attributes,
): tf.Tensor {
  const shape = (image === undefined ? attrs.inputShape : inputs[image].shape) as number[];
  const margins = marginsOf(shape, inputs, attrs);
  const given = { ...inputs };
  if (image !== undefined) {
    given[image] = tf.pad(inputs[image] as tf.Tensor, margins, fill);
  }
  if (averages === 'dy') {
    given.dy = tf.div(inputs.dy as tf.Tensor, partsInside(shape, margins, attrs));
  }
  const inputShape = shape.map((size, axis) => size + margins[axis][0] + margins[axis][1]);
  const result = call(given, { ...attrs, pad: 'valid', inputShape: inputShape as Attributes['inputShape'] });
  if (averages === 'result') {
    return tf.div(result, partsInside(shape, margins, attrs));
  }
  const before = margins.map(([size]) => size);
  return givesImage ? tf.slice(result, before, shape) : result;
}

/** Cells before and after the image [N, H, W, C], or [N, C, H, W], by axis. */
function marginsOf(
  shape: readonly number[],
  inputs: KernelArguments['inputs'],
  attrs: Attributes,
): [number, number][] {
  const { filterSize, strides, pad, dilations = 1, dimRoundingMode } = attrs;
  const size = shape as [number, number, number, number];
  const channelsFirst = attrs.dataFormat === 'NCHW';
  const { top, bottom, left, right } =
    filterSize !== undefined
      ? tf.backend_util.computePool2DInfo(size, filterSize, strides, 1, pad, dimRoundingMode).padInfo
      : tf.backend_util.computeConv2DInfo(
          size,
          (attrs.filterShape ?? inputs.filter.shape) as [number, number, number, number],
          strides,
          dilations,
          pad,
          dimRoundingMode,
          // only the number of channels out depends on it
          true,
          channelsFirst ? 'channelsFirst' : 'channelsLast',
        ).padInfo;
  const sides: [number, number][] = [
    [top, bottom],
    [left, right],
  ];
  return channelsFirst ? [[0, 0], [0, 0], ...sides] : [[0, 0], ...sides, [0, 0]];
}

/** The part of each pooling window that lies inside the image, [1, H', W', 1]; one wholly outside averages nothing. */
function partsInside(
  shape: readonly number[],
  margins: [number, number][],
  { filterSize, strides }: Attributes,
): tf.Tensor {
  const image = tf.pad(tf.ones([1, shape[1], shape[2], 1]), margins) as tf.Tensor4D;
  return tf.maximum(tf.avgPool(image, filterSize as [number, number], strides, 'valid'), 1e-6);
}
