import * as tf from '@tensorflow/tfjs';
import { formatShape } from '../../../src/tensors/index.js';

/** Kernels that take a part of what they are given: a whole data set may go in, the batch comes out. */
const SELECTING = new Set(['Slice', 'StridedSlice', 'GatherV2', 'GatherNd']);

/**
 * Tensors [n, ...sample] that went into the loss function whose gradients are being recorded: not variables, and not computed
 * in it, but for parts selected from another tensor, which stand for it. Call it when the function has returned, before its gradients are
 * taken: the recording holds every kernel that ran, with what went in and came out.
 */
export function enteringSamples(sample: readonly number[]): tf.Tensor[] {
  const tape = tf.engine().state.activeTape ?? [];
  const made = new Set<tf.Tensor>();
  const selectedFrom = new Set<tf.Tensor>();
  const entering = new Set<tf.Tensor>();
  for (const { kernelName, inputs, outputs = [] } of tape) {
    const given = Object.values(inputs).filter((tensor) => tensor instanceof tf.Tensor);
    for (const tensor of given) {
      if (!made.has(tensor) && !(tensor instanceof tf.Variable)) {
        entering.add(tensor);
      }
    }
    const isSelection = SELECTING.has(kernelName) && given.some((tensor) => entering.has(tensor));
    for (const output of outputs) {
      made.add(output);
      if (isSelection) {
        entering.add(output);
      }
    }
    if (isSelection) {
      for (const tensor of given) {
        selectedFrom.add(tensor);
      }
    }
  }
  const wanted = formatShape(sample);
  return [...entering].filter(
    (tensor) =>
      !selectedFrom.has(tensor) &&
      !tensor.isDisposed &&
      tensor.rank === sample.length + 1 &&
      formatShape(tensor.shape.slice(1)) === wanted,
  );
}
