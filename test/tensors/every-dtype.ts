import type { TensorInput } from '../../src/tensors/index.js';

/** One tensor of every dtype, a scalar and an empty one. */
export const EVERY: ReadonlyMap<string, TensorInput> = new Map<string, TensorInput>([
  ['f64', { shape: [2], data: Float64Array.of(Math.PI, -1e300) }],
  ['f32', { shape: [2, 1], data: Float32Array.of(1.5, Number.NaN) }],
  ['f16', { dtype: 'F16', shape: [3], data: Float32Array.of(0.1, 65504, 6e-8) }],
  ['bf16', { dtype: 'BF16', shape: [1], data: Float32Array.of(0.1) }],
  ['i64', { shape: [2], data: BigInt64Array.of(-5n, 2n ** 62n) }],
  ['i32', { shape: [1], data: Int32Array.of(-7) }],
  ['i8', { shape: [3], data: Int8Array.of(-128, 0, 127) }],
  ['u8', { shape: [1], data: Uint8Array.of(255) }],
  ['bool', { dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) }],
  ['scalar', { shape: [], data: Float32Array.of(3) }],
  ['empty', { shape: [0, 4], data: new Float32Array() }],
]);
