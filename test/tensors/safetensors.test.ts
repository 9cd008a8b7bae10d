import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Dtype,
  encodeSafetensors,
  openSafetensors,
  parseSafetensors,
  SafetensorsError,
  type TensorInput,
  writeSafetensors,
} from '../../src/tensors/index.js';
import { EVERY } from './every-dtype.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('what is written', () => {
  it('comes back from memory: every dtype, a scalar, an empty tensor, metadata', () => {
    const { tensors, metadata } = parseSafetensors(encodeSafetensors(EVERY, { a: 'ü"\n' }));
    expect(metadata).toEqual({ a: 'ü"\n' });
    expect([...tensors.keys()].sort()).toEqual([...EVERY.keys()].sort());
    expect(tensors.get('f64')).toEqual({ dtype: 'F64', shape: [2], data: Float64Array.of(Math.PI, -1e300) });
    expect(tensors.get('f32')!.data).toEqual(Float32Array.of(1.5, Number.NaN));
    expect(tensors.get('f16')!.data).toEqual(Float32Array.of(0.0999755859375, 65504, 2 ** -24));
    expect(tensors.get('bf16')).toEqual({ dtype: 'BF16', shape: [1], data: Float32Array.of(0.10009765625) });
    expect(tensors.get('i64')!.data).toEqual(BigInt64Array.of(-5n, 2n ** 62n));
    expect(tensors.get('i32')!.data).toEqual(Int32Array.of(-7));
    expect(tensors.get('i8')!.data).toEqual(Int8Array.of(-128, 0, 127));
    expect(tensors.get('u8')!.data).toEqual(Uint8Array.of(255));
    expect(tensors.get('bool')).toEqual({ dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) });
    expect(tensors.get('scalar')).toEqual({ dtype: 'F32', shape: [], data: Float32Array.of(3) });
    expect(tensors.get('empty')).toEqual({ dtype: 'F32', shape: [0, 4], data: new Float32Array() });
  });

  it('comes back from a file, single tensors on demand, and is the same bytes as in memory', async () => {
    const path = join(folder, 'every.safetensors');
    await writeSafetensors(path, EVERY, { a: 'b' });
    expect(new Uint8Array(await readFile(path))).toEqual(encodeSafetensors(EVERY, { a: 'b' }));
    const file = await openSafetensors(path);
    expect(file.metadata).toEqual({ a: 'b' });
    expect(file.info('f32')).toMatchObject({ dtype: 'F32', shape: [2, 1] });
    expect((await file.read('i8')).data).toEqual(Int8Array.of(-128, 0, 127));
    expect(await file.readFloat32('f64')).toEqual(Float32Array.of(Math.PI, -Infinity));
    expect(await file.readFloat32('i64')).toEqual(Float32Array.of(-5, 2 ** 62));
    expect(await file.readFloat32('empty')).toEqual(new Float32Array());
    await expect(file.read('nothing')).rejects.toThrow(/holds no tensor "nothing"/);
    await file.close();
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('replaces a file in one go, and keeps the old one when writing fails', async () => {
    const path = join(folder, 'again.safetensors');
    const one = new Map([['x', { shape: [1], data: Float32Array.of(1) }]]);
    await writeSafetensors(path, one);
    await writeSafetensors(path, new Map([['x', { shape: [1], data: Float32Array.of(2) }]]));
    expect(parseSafetensors(new Uint8Array(await readFile(path))).tensors.get('x')!.data[0]).toBe(2);
    await expect(writeSafetensors(join(folder, 'no', 'where.safetensors'), one)).rejects.toThrow(
      SafetensorsError,
    );
    await expect(writeSafetensors(folder, one)).rejects.toThrow(/can't be written/);
    expect((await readdir(tmpdir())).filter((name) => name.startsWith(`${basename(folder)}.`))).toEqual([]);
    const lying = new Map([['x', { shape: [2], data: Float32Array.of(1) }]]);
    await expect(writeSafetensors(path, lying)).rejects.toThrow(/tensor "x" is \[2\], 2 values, but has 1/);
    expect(parseSafetensors(new Uint8Array(await readFile(path))).tensors.get('x')!.data[0]).toBe(2);
  });

  it('survives a view into a larger buffer, and parsing from an odd offset', () => {
    const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
    const bytes = encodeSafetensors(new Map([['x', { shape: [2], data }]]));
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const { tensors } = parseSafetensors(shifted.subarray(1));
    shifted.fill(0);
    expect(tensors.get('x')!.data).toEqual(Float32Array.of(1, 2));
  });

  it('round-trips any tensors under any names', () => {
    const tensor = fc
      .tuple(fc.constantFrom<Dtype>('F32', 'BOOL', 'I8'), fc.array(fc.nat(3), { maxLength: 3 }))
      .chain(([dtype, shape]) => {
        const size = shape.reduce((product, n) => product * n, 1);
        const values = fc.array(fc.nat(1), { minLength: size, maxLength: size });
        return values.map((list): TensorInput => {
          const data =
            dtype === 'F32'
              ? Float32Array.from(list)
              : dtype === 'I8'
                ? Int8Array.from(list)
                : Uint8Array.from(list);
          return { dtype, shape, data };
        });
      });
    const name = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', '0', 'a"b', '\\'));
    const tensors = fc.array(fc.tuple(name, tensor), { maxLength: 6 });
    fc.assert(
      fc.property(tensors, fc.dictionary(fc.string(), fc.string()), (list, metadata) => {
        const input = new Map(list.filter(([key]) => key !== '__metadata__'));
        const output = parseSafetensors(encodeSafetensors(input, metadata));
        expect(new Map([...output.tensors].sort())).toEqual(new Map([...input].sort()));
        expect(Object.entries(output.metadata)).toEqual(Object.entries(metadata));
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it('is refused with every problem at once where tensors contradict themselves', () => {
    const bad = new Map<string, TensorInput>([
      ['__metadata__', { shape: [1], data: Float32Array.of(1) }],
      ['a', { shape: [3], data: Float32Array.of(1) }],
      ['b', { shape: [-1], data: Float32Array.of(1) }],
      ['c', { dtype: 'F16', shape: [1], data: Int8Array.of(1) }],
    ]);
    expect(() => encodeSafetensors(bad)).toThrow(
      /no tensor can be called[\s\S]*"a" is \[3\], 3 values, but has 1[\s\S]*"b" has the shape \[-1\][\s\S]*"c" can't be written as F16 from a Int8Array/,
    );
  });
});

describe('a file that is none', () => {
  it('is an error that names it', async () => {
    await expect(openSafetensors(join(folder, 'absent.safetensors'))).rejects.toThrow(
      /absent.safetensors" can't be opened/,
    );
    await expect(openSafetensors(folder)).rejects.toThrow(SafetensorsError);
    const path = join(folder, 'cut.safetensors');
    const bytes = encodeSafetensors(EVERY);
    await writeFile(path, bytes.subarray(0, bytes.length - 1));
    await expect(openSafetensors(path)).rejects.toThrow(/cut.safetensors"[\s\S]*exceeds the file size/);
    await writeFile(path, bytes.subarray(0, 20));
    await expect(openSafetensors(path)).rejects.toThrow(/is it truncated/);
    await writeFile(path, '');
    await expect(openSafetensors(path)).rejects.toThrow(/is 0 bytes long/);
  });

  it('shrinks after it was opened', async () => {
    const path = join(folder, 'shrinks.safetensors');
    await writeSafetensors(path, EVERY);
    const file = await openSafetensors(path);
    await writeFile(path, '');
    await expect(file.read('bool')).rejects.toThrow(/while it was being read/);
    await file.close();
  });
});
