import { encodeBfloat16, encodeFloat16, float16Values } from './float16.js';

// Typed arrays are viewed as they lie in memory: hosts are little-endian, as the format and WebAssembly are.

/** Bytes per element of every safetensors dtype that is read and written. */
export const DTYPE_SIZE = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I8: 1, U8: 1, BOOL: 1 } as const;
export type Dtype = keyof typeof DTYPE_SIZE;

/** Values on the host. F16 and BF16 are held as Float32Array, BOOL as Uint8Array. */
export type TensorData = Float64Array | Float32Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;

export function isDtype(value: unknown): value is Dtype {
  return typeof value === 'string' && Object.hasOwn(DTYPE_SIZE, value);
}

/** Elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The dtype that an array is written as unless another one is asked for. */
export function dtypeOf(data: TensorData): Dtype {
  if (data instanceof Float64Array) return 'F64';
  if (data instanceof Float32Array) return 'F32';
  if (data instanceof BigInt64Array) return 'I64';
  if (data instanceof Int32Array) return 'I32';
  if (data instanceof Int8Array) return 'I8';
  return 'U8';
}

/** Whether values held in `data` can be written as `dtype`. */
export function canWriteAs(data: TensorData, dtype: Dtype): boolean {
  const own = dtypeOf(data);
  const halves = own === 'F32' && (dtype === 'F16' || dtype === 'BF16');
  return own === dtype || halves || (own === 'U8' && dtype === 'BOOL');
}

function bytesOfHalves(data: TensorData, encode: (value: number) => number): Uint8Array {
  const halves = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) {
    halves[i] = encode(data[i] as number);
  }
  return new Uint8Array(halves.buffer);
}

/** The bytes of `data` as `dtype`: a view where no conversion is needed. F16 rounds and may overflow to infinity. */
export function encodeData(data: TensorData, dtype: Dtype): Uint8Array {
  if (dtype === 'F16') return bytesOfHalves(data, encodeFloat16);
  if (dtype === 'BF16') return bytesOfHalves(data, encodeBfloat16);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function decodeFloat16s(halves: Uint16Array): Float32Array {
  const all = float16Values();
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    values[i] = all[halves[i]!]!;
  }
  return values;
}

/** A bfloat16 is the upper half of a float32. */
function decodeBfloat16s(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    bits[i] = halves[i]! << 16;
  }
  return new Float32Array(bits.buffer);
}

/** Values of a tensor's bytes, which must start their own ArrayBuffer (typed arrays need the alignment). */
export function decodeData(buffer: ArrayBuffer, dtype: Dtype): TensorData {
  switch (dtype) {
    case 'F64':
      return new Float64Array(buffer);
    case 'F32':
      return new Float32Array(buffer);
    case 'F16':
      return decodeFloat16s(new Uint16Array(buffer));
    case 'BF16':
      return decodeBfloat16s(new Uint16Array(buffer));
    case 'I64':
      return new BigInt64Array(buffer);
    case 'I32':
      return new Int32Array(buffer);
    case 'I8':
      return new Int8Array(buffer);
    case 'U8':
    case 'BOOL':
      return new Uint8Array(buffer);
  }
}

/** Whether tensors of this dtype can be parameters that fine-tuning moves. */
export function isFloat(dtype: Dtype): boolean {
  return dtype === 'F64' || dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';
}

/** Values as float64: a copy, except where they already are. I64 is rounded. */
export function toFloat64(data: TensorData): Float64Array {
  return data instanceof Float64Array ? data : Float64Array.from(data as ArrayLike<number>, Number);
}

/** Values as float32: a copy, except where they already are. F64, I32 and I64 are rounded. */
export function toFloat32(data: TensorData): Float32Array {
  if (data instanceof Float32Array) {
    return data;
  }
  const values = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    values[i] = Number(data[i]);
  }
  return values;
}
