import { compareTensors, type HostTensor, type NamedTensors, shapesOf } from '../tensors/index.js';

/**
 * base + scale * tau, tensor by tensor, rounded to float32 once. Names and shapes must agree; every mismatch is in
 * the one error.
 */
export function applyTau(base: NamedTensors, tau: NamedTensors, scale = 1): NamedTensors {
  compareTensors(shapesOf(base), shapesOf(tau), {
    what: 'the task vector',
    against: 'the base',
    advice: 'was it taken from another base?',
  });
  const model = new Map<string, HostTensor>();
  for (const [name, { shape, data }] of base) {
    const delta = tau.get(name)!.data;
    model.set(name, { shape, data: data.map((value, i) => value + scale * delta[i]!) });
  }
  return model;
}
