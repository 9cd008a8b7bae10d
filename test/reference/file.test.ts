import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeReference, readReference, writeReference } from '../../src/reference/index.js';
import {
  encodeSafetensors,
  MergeguardError,
  parseSafetensors,
  type TensorInput,
  toFloat32,
} from '../../src/tensors/index.js';
import { fullReference, smallPair } from './helpers.js';

let folder = '';
let path = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-'));
  path = join(folder, 'reference.safetensors');
});
afterAll(() => rm(folder, { recursive: true }));

type Tensors = Map<string, TensorInput>;

/** Writes a full reference whose tensors or metadata were tampered with. */
async function writeTampered(
  change: (tensors: Tensors, metadata: Record<string, string>) => void,
): Promise<void> {
  await writeReference(path, fullReference());
  const { tensors, metadata } = parseSafetensors(new Uint8Array(await readFile(path)));
  const changed = new Map(tensors);
  const text = { ...metadata };
  change(changed, text);
  await writeFile(path, encodeSafetensors(changed, text));
}

describe('a reference file', () => {
  it('gives back everything that was written', async () => {
    const reference = fullReference();
    await writeReference(path, reference);
    expect(await readReference(path)).toEqual(reference);
  });

  it('gives back absent parts as absent', async () => {
    const { base, model } = smallPair();
    const reference = makeReference({ name: 'bare', base, model });
    await writeReference(path, reference);
    expect(await readReference(path)).toEqual(reference);
    const unchanged = makeReference({ name: 'zero', base, model: base });
    await writeReference(path, unchanged);
    expect(await readReference(path)).toEqual(unchanged);
  });

  it('rounds tau alone to float16 on demand', async () => {
    const reference = fullReference();
    await writeReference(path, reference, { dtype: 'F16' });
    const back = await readReference(path);
    expect({ ...back, tau: null }).toEqual({ ...reference, tau: null });
    for (const [name, { data }] of reference.tau) {
      const half = toFloat32(back.tau.get(name)!.data);
      for (let i = 0; i < data.length; i++) {
        expect(Math.abs(half[i]! - data[i]!)).toBeLessThanOrEqual(Math.abs(data[i]!) * 2 ** -11 + 2 ** -25);
      }
    }
  });

  it('refuses float16 where it would lose the task vector', async () => {
    const one = (value: number) => new Map([['a', { shape: [1], data: Float32Array.of(value) }]]);
    for (const value of [1e-8, 1e6]) {
      const reference = makeReference({ name: 'r', base: one(0), model: one(value) });
      await expect(writeReference(path, reference, { dtype: 'F16' })).rejects.toThrow(
        /reference "r" does not fit into float16; write it as F32[\s\S]*tau a would be off by/,
      );
    }
  });

  it('is refused when it is newer, no reference, or not described', async () => {
    await writeTampered((_, metadata) => {
      metadata.version = '2';
    });
    await expect(readReference(path)).rejects.toThrow(
      /has version 2 [\s\S]* reads up to 1; upgrade mergeguard/,
    );
    await writeTampered((_, metadata) => {
      metadata.version = 'one';
    });
    await expect(readReference(path)).rejects.toThrow(/version "one"/);
    await writeTampered((_, metadata) => {
      metadata.reference = '{"name": "r"}';
    });
    await expect(readReference(path)).rejects.toThrow(/not complete[\s\S]*baseHash[\s\S]*tensors/);
    await writeTampered((_, metadata) => {
      delete metadata.reference;
    });
    await expect(readReference(path)).rejects.toThrow(/not JSON/);
    await writeTampered((_, metadata) => {
      delete metadata.format;
    });
    await expect(readReference(path)).rejects.toThrow(/is not a mergeguard reference/);
  });

  it('lists everything by which it contradicts itself', async () => {
    await writeTampered((tensors) => {
      tensors.delete('tau/wide.bias');
      tensors.delete('left/wide.weight');
      tensors.delete('calibration/labels');
      tensors.set('tau/conv.weight', { shape: [18], data: new Float32Array(18) });
      tensors.set('tau/frozen.weight', { shape: [3, 2], data: new Float32Array(6).fill(Number.NaN) });
      tensors.set('gradient/wide.bias', { shape: [4], data: new Float64Array(4) });
      tensors.set('norms', { shape: [1], data: Float64Array.of(1) });
      tensors.set('something', { shape: [1], data: Float32Array.of(1) });
      tensors.set('calibration/more', { shape: [1], data: Float32Array.of(1) });
    });
    const error = (await readReference(path).catch((caught: unknown) => caught)) as Error;
    expect(error).toBeInstanceOf(MergeguardError);
    for (const part of [
      'tensor "something" is no part of a reference',
      'tensor "calibration/more" is no part of a reference',
      'tensor "gradient/wide.bias" is F64, not F32',
      'the left subspace of wide.weight is missing',
      'the calibration labels are missing',
      'tau: wide.bias is [4] here, missing there',
      'tau: conv.weight is [18] there, [2, 1, 3, 3] here',
      'tau frozen.weight has 6 of 6 values that are NaN or infinite',
      'the norms are not 4 finite numbers',
    ]) {
      expect(error.message).toContain(part);
    }
  });

  it('is refused with subspaces of another matrix', async () => {
    await writeTampered((tensors) => {
      tensors.set('right/wide.weight', { shape: [5, 4], data: new Float32Array(20) });
    });
    await expect(readReference(path)).rejects.toThrow(
      /the subspaces of wide.weight, which is \[4, 6\], are \[4, 4\] and \[5, 4\]/,
    );
  });

  it('is refused when it is cut', async () => {
    await writeReference(path, fullReference());
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 10));
    await expect(readReference(path)).rejects.toThrow(/exceeds the file size/);
  });
});
