import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  encodeSafetensors,
  type LazyTensor,
  MergeguardError,
  openSafetensors,
  parseSafetensors,
  SafetensorsError,
  type SafetensorsFile,
  type TensorInput,
  writeSafetensors,
} from '../../src/tensors/index.js';
import { EVERY } from './every-dtype.js';

let folder = '';
let path = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-'));
  path = join(folder, 'parts.safetensors');
});
afterAll(() => rm(folder, { recursive: true }));

async function opened<Result>(use: (file: SafetensorsFile) => Promise<Result>): Promise<Result> {
  const file = await openSafetensors(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

describe('a stretch of a tensor', () => {
  it('is that stretch of all values, whatever the dtype', async () => {
    await writeSafetensors(path, EVERY);
    const cases = fc
      .constantFrom(...EVERY.keys())
      .chain((name) =>
        fc
          .tuple(fc.nat(EVERY.get(name)!.data.length), fc.nat(EVERY.get(name)!.data.length))
          .map(([one, other]) => ({ name, start: Math.min(one, other), end: Math.max(one, other) })),
      );
    await opened((file) =>
      fc.assert(
        fc.asyncProperty(cases, async ({ name, start, end }) => {
          const whole = await file.read(name);
          const part = await file.read(name, { start, count: end - start });
          expect(part).toEqual({ ...whole, data: whole.data.slice(start, end) });
        }),
        { seed: 3, numRuns: 60 },
      ),
    );
  });

  it.each([
    [-1, 1],
    [0, 4],
    [4, 0],
    [3, 1],
    [1, -1],
  ])('from %i, %i values, is an error where it is not inside', async (start, count) => {
    await writeSafetensors(path, EVERY);
    const read = opened((file) => file.read('i8', { start, count }));
    await expect(read).rejects.toThrow(SafetensorsError);
    await expect(read).rejects.toThrow(
      `values ${start} to ${start + count} of "i8" were asked for, which has 3`,
    );
  });

  it('comes as float32 and as float64', async () => {
    const data = Float64Array.of(1, Math.PI, 2 ** 40 + 1);
    await writeSafetensors(path, new Map([['x', { shape: [3], data }]]));
    await opened(async (file) => {
      const range = { start: 1, count: 2 };
      expect(await file.readFloat64('x', range)).toEqual(Float64Array.of(Math.PI, 2 ** 40 + 1));
      expect(await file.readFloat32('x', range)).toEqual(Float32Array.of(Math.PI, 2 ** 40));
    });
  });
});

describe('float64 values of other dtypes', () => {
  it.each<[string, number[]]>([
    ['f32', [1.5, Number.NaN]],
    ['f16', [0.0999755859375, 65504, 2 ** -24]],
    ['bf16', [0.10009765625]],
    ['i64', [-5, 2 ** 62]],
    ['i8', [-128, 0, 127]],
    ['bool', [1, 0]],
    ['empty', []],
  ])('%s', async (name, expected) => {
    await writeSafetensors(path, EVERY);
    expect(await opened((file) => file.readFloat64(name))).toEqual(Float64Array.from(expected));
  });
});

describe('a tensor whose values are made when they are written', () => {
  beforeEach(() => rm(path, { force: true }));
  const lazy = (input: TensorInput, load: LazyTensor['load']): LazyTensor => ({
    dtype: input.dtype ?? 'F32',
    shape: input.shape,
    load,
  });
  const leftovers = async () => (await readdir(folder)).filter((name) => name.endsWith('.tmp'));
  const value = { shape: [2], data: Float32Array.of(1, 2) };

  it('gives the same bytes as one in memory, and is loaded once, one after the other', async () => {
    const input = new Map<string, TensorInput>([
      ['half', { dtype: 'F16', shape: [3], data: Float32Array.of(0.1, 1, -2) }],
      ['plain', value],
      ['wide', { dtype: 'F64', shape: [1], data: Float64Array.of(Math.PI) }],
    ]);
    const events: string[] = [];
    const load = (name: string, tensor: TensorInput) => async () => {
      events.push(`${name} begins`);
      await Promise.resolve();
      events.push(`${name} ends`);
      return tensor.data;
    };
    const mixed = new Map<string, TensorInput | LazyTensor>([['direct', value]]);
    for (const [name, tensor] of input) {
      mixed.set(name, lazy(tensor, load(name, tensor)));
    }
    await writeSafetensors(path, mixed, { a: 'b' });
    expect(new Uint8Array(await readFile(path))).toEqual(
      encodeSafetensors(new Map([...input, ['direct', value]]), { a: 'b' }),
    );
    expect(events).toEqual(['wide', 'plain', 'half'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  });

  it.each<[string, TensorInput['data'], RegExp]>([
    ['too few values', Float32Array.of(1), /tensor "x" is \[2\], 2 values, but has 1/],
    ['too many', Float32Array.of(1, 2, 3), /tensor "x" is \[2\], 2 values, but has 3/],
    ['another dtype', Float64Array.of(1, 2), /tensor "x" can't be written as F32 from a Float64Array/],
  ])('with %s is an error, and leaves the old file', async (_, data, message) => {
    await writeSafetensors(path, new Map([['x', value]]));
    const write = writeSafetensors(path, new Map([['x', lazy(value, async () => data)]]));
    await expect(write).rejects.toThrow(message);
    expect(await leftovers()).toEqual([]);
    expect(parseSafetensors(new Uint8Array(await readFile(path))).tensors.get('x')!.data).toEqual(value.data);
  });

  it('that can not be loaded passes its error on and leaves nothing behind', async () => {
    const fails = (error: Error) =>
      writeSafetensors(path, new Map([['x', lazy(value, () => Promise.reject(error))]]));
    await expect(fails(new MergeguardError('x is NaN'))).rejects.toThrow(new MergeguardError('x is NaN'));
    await expect(fails(new Error('disk is gone'))).rejects.toThrow(
      new SafetensorsError(`"${path}" can't be written: disk is gone`),
    );
    expect(await readdir(folder)).not.toContain('parts.safetensors');
    expect(await leftovers()).toEqual([]);
  });

  it('of a bad shape is refused before anything is loaded', async () => {
    let loads = 0;
    const load = async () => {
      loads += 1;
      return value.data;
    };
    await expect(
      writeSafetensors(path, new Map([['x', { dtype: 'F32', shape: [-2], load }]])),
    ).rejects.toThrow(/"x" has the shape \[-2\]/);
    expect(loads).toBe(0);
  });
});
