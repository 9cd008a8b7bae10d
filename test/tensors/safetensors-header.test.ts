import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeSafetensors,
  MergeguardError,
  parseHeader,
  parseSafetensors,
  SafetensorsError,
} from '../../src/tensors/index.js';
import { EVERY } from './every-dtype.js';

/** A file with any header text and `dataBytes` zero bytes. */
function fileOf(header: string | object, dataBytes: number, declared?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, declared ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

function f32(shape: unknown, begin: unknown, end: unknown, dtype: unknown = 'F32'): object {
  return { dtype, shape, data_offsets: [begin, end] };
}

function messageOf(header: string | object, dataBytes: number): string {
  const bytes = fileOf(header, dataBytes);
  try {
    parseHeader(bytes, bytes.length);
  } catch (error) {
    expect(error).toBeInstanceOf(SafetensorsError);
    expect(error).toBeInstanceOf(MergeguardError);
    return (error as Error).message;
  }
  throw new Error('no error was thrown');
}

describe('a header that lies', () => {
  it('is too short to be one', () => {
    expect(() => parseHeader(new Uint8Array(5), 5)).toThrow(
      /is 5 bytes long; a safetensors file has at least 8/,
    );
    expect(() => parseSafetensors(new Uint8Array())).toThrow(SafetensorsError);
  });

  it('declares more bytes than the cap, or than the file has', () => {
    const over = fileOf('{}', 0, 2n ** 63n);
    expect(() => parseHeader(over, over.length)).toThrow(
      /header of 9223372036854775808 bytes, over the cap of 100000000/,
    );
    const past = fileOf('{}', 0, 3n);
    expect(() => parseHeader(past, past.length)).toThrow(
      /header of 3 bytes, which exceeds the file size \(10\); is it truncated/,
    );
    expect(() => parseHeader(past, 11)).toThrow(/ends inside its header, at byte 10 of 11/);
  });

  it('is not JSON, not UTF-8, or not an object', () => {
    expect(messageOf('{"a":', 0)).toMatch(/not JSON/);
    const bytes = fileOf('{"a"}', 0);
    bytes[10] = 0xff;
    expect(() => parseHeader(bytes, bytes.length)).toThrow(/not JSON/);
    expect(messageOf('[]', 0)).toMatch(/not a JSON object/);
    expect(messageOf('', 0)).toMatch(/not JSON/);
  });

  it('has offsets past the end', () => {
    const header = { x: f32([24], 0, 96) };
    const size = 8 + JSON.stringify(header).length + 16;
    expect(messageOf(header, 16)).toContain(
      `tensor "x" declares data_offsets ending at 96 (byte ${size + 80} of the file), which exceeds the file size (${size})`,
    );
  });

  it('has a size that dtype and shape do not make', () => {
    expect(messageOf({ x: f32([3], 0, 8) }, 8)).toContain(
      '"x" is F32 [3], 12 bytes, but its data_offsets span 8',
    );
    expect(messageOf({ x: f32([1], 0, 4, 'F64') }, 4)).toContain('is F64 [1], 8 bytes');
    expect(messageOf({ x: f32([2 ** 50, 2 ** 50], 0, 4) }, 4)).toContain('but its data_offsets span 4');
  });

  it('has overlapping ranges, gaps, or bytes left over', () => {
    expect(messageOf({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12)).toContain(
      'tensor "b" overlaps tensor "a" by 4 bytes',
    );
    expect(messageOf({ a: f32([2], 0, 8), b: f32([2], 0, 8) }, 8)).toContain(
      'overlaps tensor "a" by 8 bytes',
    );
    expect(messageOf({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12)).toContain(
      '4 bytes between tensor "a" and tensor "b" belong to no tensor',
    );
    const nested = messageOf({ a: f32([3], 0, 12), b: f32([1], 4, 8), c: f32([1], 12, 16) }, 16);
    expect(nested).toContain('tensor "b" overlaps tensor "a" by 8 bytes');
    expect(nested).not.toContain('between');
    expect(messageOf({ a: f32([1], 4, 8) }, 8)).toContain('4 bytes between the header and tensor "a"');
    expect(messageOf({ a: f32([1], 0, 4) }, 5)).toContain('1 bytes after tensor "a" belong to no tensor');
    expect(messageOf({}, 3)).toContain('3 bytes after the header');
  });

  it('names a tensor twice, however it is spelt', () => {
    const entry = JSON.stringify(f32([1], 0, 4));
    expect(messageOf(`{"a":${entry},"\\u0061":${entry}}`, 4)).toContain('the name "a" occurs twice');
    expect(messageOf('{"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}', 4)).toContain(
      'the name "dtype" occurs twice',
    );
    expect(messageOf('{"__metadata__":{"k":"1", "k" :"2"}}', 0)).toContain('the name "k" occurs twice');
    const same = {
      a: f32([1], 0, 4),
      b: f32([1], 4, 8),
      __metadata__: { dtype: 'a":', shape: '{"x":1,"x":2}' },
    };
    const bytes = fileOf(same, 8);
    expect(parseHeader(bytes, bytes.length).tensors.size).toBe(2);
  });

  it('has an unknown dtype, a bad shape, bad offsets, bad metadata: all are listed', () => {
    const message = messageOf(
      {
        __metadata__: { a: 1 },
        a: f32([1], 0, 4, 'F8_E4M3'),
        b: f32([-1], 0, 4),
        c: f32([1.5], 0, 4),
        d: f32('4', 0, 4),
        e: f32([1], 4, 0),
        f: { dtype: 'F32', shape: [1] },
        g: f32([1], -4, 0),
        h: 7,
        i: f32([1], 0, 4, 'toString'),
      },
      4,
    );
    for (const part of [
      '"__metadata__" is not an object of strings',
      '"a" has the unknown dtype "F8_E4M3"; known are F64, F32',
      '"b" has the shape [-1]',
      '"c" has the shape [1.5]',
      '"d" has the shape "4"',
      '"e" declares data_offsets [4, 0], which end before they begin',
      '"f" has the data_offsets undefined',
      '"g" has the data_offsets [-4,0]',
      '"h" is not a JSON object',
      '"i" has the unknown dtype "toString"',
    ]) {
      expect(message).toContain(part);
    }
  });

  it('never gets anything but a SafetensorsError out of the parser, nor values that were not there', () => {
    const good = encodeSafetensors(EVERY, { a: 'b' });
    const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(edits, fc.nat(good.length), (list, cut) => {
        for (const bytes of [good.slice(), good.slice(0, cut)]) {
          for (const [at, value] of list) {
            if (at < bytes.length) bytes[at] = value;
          }
          try {
            for (const { shape, data } of parseSafetensors(bytes).tensors.values()) {
              expect(data.length).toBe(shape.reduce((product, n) => product * n, 1));
            }
          } catch (error) {
            expect(error).toBeInstanceOf(SafetensorsError);
          }
        }
      }),
      { seed: 3, numRuns: 1000 },
    );
  });
});
