import type { HostTensor, NamedTensors } from '../tensors/index.js';

/** scale * (the sum of the task vectors), summed in float64 and rounded to float32 once. */
export function scaledSum(taus: readonly NamedTensors[], scale: number): NamedTensors {
  const merged = new Map<string, HostTensor>();
  for (const [name, { shape, data }] of taus[0]!) {
    const columns = taus.map((tau) => tau.get(name)!.data);
    const out = new Float32Array(data.length);
    for (let i = 0; i < out.length; i++) {
      let sum = 0;
      for (const column of columns) {
        sum += column[i]!;
      }
      out[i] = scale * sum;
    }
    merged.set(name, { shape, data: out });
  }
  return merged;
}
