import type { LayersModel } from '@tensorflow/tfjs';
import { canonicalName, canonicalNames } from './canonical-name.js';
import type { HostTensor, NamedTensors } from './named-tensors.js';
import { permute } from './permute.js';

/** How a tfjs weight becomes a canonical tensor. */
export interface CanonicalVariable {
  readonly name: string;
  /** shape in canonical layout */
  readonly shape: readonly number[];
  /** axis order that takes the tfjs layout to the canonical one (as `tf.transpose` takes it); null: as it is */
  readonly permutation: readonly number[] | null;
}

export interface MappedWeight extends CanonicalVariable {
  /** tfjs's name of the weight as its layer gave it, without the `_1` of a second model */
  readonly original: string;
  readonly trainable: boolean;
}

export interface LayersModelWeights {
  readonly tensors: NamedTensors;
  /** one entry a tensor, in the model's order: the mapping that was used */
  readonly mapping: readonly MappedWeight[];
}

/** Input and output axes come last in tfjs kernels and first, output before input, in canonical ones. */
const TURNED = new Set(['kernel', 'recurrent_kernel']);

/**
 * Canonical name and layout of a tfjs weight, given its original name and its tfjs shape. Dense kernels
 * [in, out] become [out, in], convolution kernels [..., in, out] become [out, in, ...] ([kh, kw, in, out]
 * becomes [out, in, kh, kw]). Embeddings, depthwise kernels and everything not called `kernel` stay.
 */
export function canonicalVariable(originalName: string, shape: readonly number[]): CanonicalVariable {
  const name = canonicalName(originalName);
  const last = originalName.slice(originalName.lastIndexOf('/') + 1);
  const rank = shape.length;
  if (!TURNED.has(last) || rank < 2) {
    return { name, shape, permutation: null };
  }
  const permutation = [rank - 1, rank - 2];
  for (let axis = 0; axis < rank - 2; axis++) {
    permutation.push(axis);
  }
  return { name, shape: permutation.map((axis) => shape[axis]!), permutation };
}

/**
 * Weights of a tfjs LayersModel on the host, by canonical name. Names come from each variable's `originalName`:
 * tfjs adds `_1` to `name` in the second model of a process. Layers without a name of their own
 * (`dense_Dense1`) are numbered through the process, so name the layers that two models are to share.
 * @throws MergeguardError where two weights come to have the same canonical name
 */
export async function layersModelWeights(model: LayersModel): Promise<LayersModelWeights> {
  const variables = [...new Set(model.weights)];
  const trainable = new Set(model.trainableWeights);
  canonicalNames(variables.map((variable) => variable.originalName));
  const tensors = new Map<string, HostTensor>();
  const mapping: MappedWeight[] = [];
  for (const variable of variables) {
    const value = variable.read();
    const data = Float32Array.from(await value.data());
    const canonical = canonicalVariable(variable.originalName, value.shape);
    const { name, shape, permutation } = canonical;
    tensors.set(name, { shape, data: permutation === null ? data : permute(data, value.shape, permutation) });
    mapping.push({ ...canonical, original: variable.originalName, trainable: trainable.has(variable) });
  }
  return { tensors, mapping };
}
