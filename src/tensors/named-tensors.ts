/** A tensor on the host: float32 values, row-major, matrices as [out, in]. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Tensors by canonical name (path without framework prefixes, `/kernel` written `.weight`). */
export type NamedTensors = ReadonlyMap<string, HostTensor>;
