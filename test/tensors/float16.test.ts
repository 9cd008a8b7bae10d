import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from '../../src/tensors/float16.js';

/** The definition, in real arithmetic. */
function slowDecode(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** Nearest representable magnitude by search over all of them, ties to the even pattern. */
function slowEncode(value: number, magnitudes: readonly number[]): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  let low = 0;
  let high = magnitudes.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (magnitudes[middle]! <= magnitude) low = middle;
    else high = middle;
  }
  const below = magnitude - magnitudes[low]!;
  const above = magnitudes[high]! - magnitude;
  if (below === above) return sign | (low % 2 === 0 ? low : high);
  return sign | (below < above ? low : high);
}

// 0x7c00 stands for infinity; rounding treats it as the next number, 65536.
const magnitudes = Array.from({ length: 0x7c01 }, (_, bits) => (bits === 0x7c00 ? 65536 : slowDecode(bits)));

describe('float16', () => {
  it('decodes every pattern to its definition and encodes it back', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = decodeFloat16(bits);
      if (!Object.is(value, slowDecode(bits))) expect([bits, value]).toEqual([bits, slowDecode(bits)]);
      if (!Number.isNaN(value) && encodeFloat16(value) !== bits) expect(encodeFloat16(value)).toBe(bits);
      if (Number.isNaN(value) && !Number.isNaN(decodeFloat16(encodeFloat16(value)))) expect(bits).toBe('NaN');
    }
  });

  it('rounds halfway points to even and their neighbours to the nearest, over the whole range', () => {
    for (let bits = 0; bits < 0x7c00; bits++) {
      const middle = (magnitudes[bits]! + magnitudes[bits + 1]!) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const gap = middle * 2 ** -22;
      const found = [encodeFloat16(middle), encodeFloat16(middle - gap), encodeFloat16(-(middle + gap))];
      const expected = [even, bits, 0x8000 | (bits + 1)];
      if (found.join() !== expected.join()) expect(found).toEqual(expected);
    }
  });

  it('agrees with a search for the nearest number', () => {
    const values = fc.oneof(
      fc.float({ noNaN: true, min: -70000, max: 70000 }),
      fc.float({ noNaN: true, min: Math.fround(-1e-4), max: Math.fround(1e-4) }),
    );
    fc.assert(
      fc.property(
        values,
        (value) => encodeFloat16(value) === slowEncode(Math.max(-65536, Math.min(65536, value)), magnitudes),
      ),
      { seed: 1, numRuns: 3000 },
    );
  });

  it('keeps infinities, signed zeros and NaN, and overflows from 65520', () => {
    expect([Infinity, -Infinity, 0, -0].map(encodeFloat16)).toEqual([0x7c00, 0xfc00, 0, 0x8000]);
    expect(decodeFloat16(encodeFloat16(Number.NaN))).toBeNaN();
    expect(decodeFloat16(encodeFloat16(65519))).toBe(65504);
    expect(decodeFloat16(encodeFloat16(65520))).toBe(Infinity);
    expect(encodeFloat16(2 ** -25)).toBe(0);
    expect(encodeFloat16(2 ** -25 * 1.001)).toBe(1);
    expect(encodeFloat16(1e-45)).toBe(0);
  });
});

describe('bfloat16', () => {
  it('is the upper half of a float32, rounded to nearest even', () => {
    expect([1, -2, 0, -0, Infinity, -Infinity].map(encodeBfloat16)).toEqual([
      0x3f80, 0xc000, 0, 0x8000, 0x7f80, 0xff80,
    ]);
    expect(encodeBfloat16(1 + 2 ** -8)).toBe(0x3f80);
    expect(encodeBfloat16(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(encodeBfloat16(1 + 2 ** -8 + 2 ** -20)).toBe(0x3f81);
    expect(encodeBfloat16(-3.4028234663852886e38)).toBe(0xff80);
    expect(decodeBfloat16(encodeBfloat16(Number.NaN))).toBeNaN();
  });

  it('gives every pattern back', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = decodeBfloat16(bits);
      if (!Number.isNaN(value) && encodeBfloat16(value) !== bits) expect(encodeBfloat16(value)).toBe(bits);
    }
  });
});
