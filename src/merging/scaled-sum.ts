/** factor * (the sum of the task vectors), summed in float64 and rounded once. */
export function scaledSum(taus: readonly Float32Array[], factor: number): Float32Array {
  const out = new Float32Array(taus[0]!.length);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let m = 0; m < taus.length; m++) {
      sum += taus[m]![i]!;
    }
    out[i] = factor * sum;
  }
  return out;
}
