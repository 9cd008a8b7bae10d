import * as tf from '@tensorflow/tfjs';
import type { HostTensor, NamedTensors } from '../../src/tensors/index.js';
import { type LiveWeights, layoutOf, type SharedTensor, valuesOf } from './layout.js';
import { liveTau } from './live-tau.js';
import type { LowRankTensors } from './task-matrix.js';

/**
 * The shared tensors' values on the host in canonical layout: what bases and references are made of. Of a matrix with a
 * LoRA adapter it is the frozen matrix plus scale B A, as the model computes with it.
 *
 * @param heads see `AttachOptions`
 * @param lora `scale` is alpha / r of the adapters, 1 by default
 */
export async function sharedWeights(
  weights: LiveWeights,
  heads?: readonly string[],
  { lora }: { readonly lora?: { readonly scale: number } } = {},
): Promise<NamedTensors> {
  const { shared } = layoutOf(weights, heads, undefined, lora?.scale);
  const values = new Map(await valuesOf(shared));
  for (const tensor of shared) {
    if (tensor.factors !== null) {
      values.set(tensor.name, await adapted(tensor, values.get(tensor.name)!));
    }
  }
  return values;
}

/** The matrix [out, in] with its adapter's update added. */
async function adapted(tensor: SharedTensor, { shape, data }: HostTensor): Promise<HostTensor> {
  const tau = liveTau(tensor, () => tensor.variable);
  const update = tf.tidy(() => {
    const { left, right } = tau.canonical() as LowRankTensors;
    return tf.matMul(left, right);
  });
  const added = await update.data();
  update.dispose();
  tau.dispose();
  // Adding a zero would make a zero of a minus zero, and another base of this one.
  return { shape, data: data.map((value, i) => (added[i] === 0 ? value : value + added[i])) };
}
