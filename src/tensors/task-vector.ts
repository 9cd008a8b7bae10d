import { compareTensors, shapesOf } from './compare-tensors.js';
import type { HostTensor, NamedTensors } from './named-tensors.js';

/**
 * The task vector: model minus base, tensor by tensor, in float32.
 * @throws MergeguardError where the two do not have the same names and shapes
 */
export function taskVector(base: NamedTensors, model: NamedTensors, what = 'the model'): NamedTensors {
  compareTensors(shapesOf(base), shapesOf(model), {
    what,
    against: 'the base',
    advice: 'was it fine-tuned from another base?',
  });
  const tau = new Map<string, HostTensor>();
  for (const [name, { shape, data: from }] of base) {
    const to = model.get(name)!.data;
    const data = new Float32Array(from.length);
    for (let i = 0; i < data.length; i++) {
      data[i] = to[i]! - from[i]!;
    }
    tau.set(name, { shape, data });
  }
  return tau;
}
