/** Conversions between float32 and the two 16-bit float formats, on bit patterns. */

const word = new DataView(new ArrayBuffer(4));

function toBits(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0);
}

function fromBits(bits: number): number {
  word.setUint32(0, bits);
  return word.getFloat32(0);
}

/** `bits` shifted right by `shift` (1..24), rounded to nearest, ties to even. */
function shiftRounded(bits: number, shift: number): number {
  const half = 1 << (shift - 1);
  const rest = bits & ((1 << shift) - 1);
  const value = bits >>> shift;
  const up = rest > half || (rest === half && (value & 1) === 1);
  return up ? value + 1 : value;
}

/** IEEE 754 binary16 bits of a float32 value: round to nearest even, overflow to infinity, NaN stays NaN. */
export function encodeFloat16(value: number): number {
  const bits = toBits(value);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const mantissa = bits & 0x7fffff;
  if (exponent === 0xff) {
    return mantissa === 0 ? sign | 0x7c00 : sign | 0x7e00 | (mantissa >>> 13);
  }
  const half = exponent - 112;
  if (half >= 31) {
    return sign | 0x7c00;
  }
  if (half < -10) {
    return sign;
  }
  if (half <= 0) {
    // Subnormal: the hidden bit joins the mantissa. A carry lands on the smallest normal number, as it should.
    return sign | shiftRounded(mantissa | 0x800000, 14 - half);
  }
  // A carry out of the mantissa raises the exponent, up to infinity.
  return sign | ((half << 10) + shiftRounded(mantissa, 13));
}

/** The value of IEEE 754 binary16 bits; every one is a float32 exactly. */
export function decodeFloat16(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0) {
    const magnitude = mantissa * 2 ** -24;
    return sign === 0 ? magnitude : -magnitude;
  }
  if (exponent === 31) {
    return fromBits((sign | 0x7f800000 | (mantissa << 13)) >>> 0);
  }
  return fromBits((sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0);
}

/** bfloat16 bits of a float32 value: round to nearest even, NaN stays NaN. */
export function encodeBfloat16(value: number): number {
  const bits = toBits(value);
  if (Number.isNaN(value)) {
    // Set the quiet bit: the NaN's payload may lie wholly in the half that is cut off.
    return (bits >>> 16) | 0x40;
  }
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) / 65536) & 0xffff;
}

/** The value of bfloat16 bits. */
export function decodeBfloat16(bits: number): number {
  return fromBits((bits << 16) >>> 0);
}

let table: Float32Array | null = null;

/** The value of every one of the 65,536 patterns of binary16: looking up is several times faster than decoding. */
export function float16Values(): Float32Array {
  table ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => decodeFloat16(bits));
  return table;
}
