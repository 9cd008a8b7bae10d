import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeReference, openReference, readReference, writeReference } from '../../src/reference/index.js';
import { descriptionOf } from '../../src/reference/reference.js';
import {
  encodeSafetensors,
  MergeguardError,
  parseSafetensors,
  type TensorInput,
  toFloat32,
} from '../../src/tensors/index.js';
import { adapterReference, fullReference, randomTensor, seeded, smallPair } from './helpers.js';

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

  it('gives back factors, and leaves out what was not fine-tuned', async () => {
    const reference = adapterReference();
    await writeReference(path, reference);
    expect(await readReference(path)).toEqual(reference);
  });

  it('is opened tensor by tensor', async () => {
    const reference = fullReference();
    await writeReference(path, reference);
    const file = await openReference(path);
    expect(file.description).toEqual(descriptionOf(reference));
    expect([...file.names('tau')].sort()).toEqual([...reference.tau.keys()].sort());
    expect(file.names('tau_left')).toEqual([]);
    expect([file.has('left', 'wide.weight'), file.has('left', 'frozen.weight')]).toEqual([true, false]);
    expect(file.info('bottom', 'wide.weight')).toMatchObject({ dtype: 'F32', shape: [6, 4] });
    expect(await file.norms()).toEqual(reference.norms);
    const { data } = await file.read('tau', 'wide.weight', { start: 5, count: 3 });
    expect(data).toEqual(reference.tau.get('wide.weight')!.data.slice(5, 8));
    await file.close();
  });

  it('of version 1 still reads: no bottoms, all singular values', async () => {
    const { base, model } = {
      base: new Map([['w', randomTensor([130, 120], seeded(1))]]),
      model: new Map([['w', randomTensor([130, 120], seeded(2))]]),
    };
    const made = makeReference({ name: 'old', base, model });
    const all = Float64Array.from({ length: 120 }, (_, i) => made.spectra.get('w')![i] ?? 1 / i);
    await writeReference(path, { ...made, bottoms: new Map(), spectra: new Map([['w', all]]) });
    const { tensors, metadata } = parseSafetensors(new Uint8Array(await readFile(path)));
    await writeFile(path, encodeSafetensors(tensors, { ...metadata, version: '1' }));
    expect(await readReference(path)).toEqual({ ...made, bottoms: new Map() });
    await (await openReference(path)).close();
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
      metadata.version = '3';
    });
    await expect(readReference(path)).rejects.toThrow(
      /has version 3 [\s\S]* reads up to 2; upgrade mergeguard/,
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

  it('lists everything in its header that does not belong there, when it is opened', async () => {
    await writeTampered((tensors) => {
      const one = { shape: [1], data: Float32Array.of(1) };
      tensors.set('gradient/wide.bias', { shape: [4], data: new Float64Array(4) });
      for (const name of ['something', 'calibration/more', 'norms/x', 'input_gradient/x', 'tau']) {
        tensors.set(name, one);
      }
    });
    for (const open of [openReference, readReference]) {
      const error = (await open(path).catch((caught: unknown) => caught)) as Error;
      expect(error).toBeInstanceOf(MergeguardError);
      const lines = error.message.split('\n').slice(1).sort();
      expect(lines).toEqual([
        '  - tensor "calibration/more" is no part of a reference',
        '  - tensor "gradient/wide.bias" is F64, not F32',
        '  - tensor "input_gradient/x" is no part of a reference',
        '  - tensor "norms/x" is no part of a reference',
        '  - tensor "something" is no part of a reference',
        '  - tensor "tau" is no part of a reference',
      ]);
    }
  });

  it('lists everything by which it contradicts itself', async () => {
    await writeTampered((tensors) => {
      for (const name of ['tau/wide.bias', 'left/wide.weight', 'calibration/labels']) {
        tensors.delete(name);
      }
      tensors.set('tau/conv.weight', { shape: [18], data: new Float32Array(18) });
      tensors.set('tau/frozen.weight', { shape: [3, 2], data: new Float32Array(6).fill(Number.NaN) });
      tensors.set('tau/other.weight', { shape: [1], data: new Float32Array(1) });
      tensors.set('tau_left/wide.weight', { shape: [4, 1], data: new Float32Array(4) });
      tensors.set('bottom/wide.weight', { shape: [4, 4], data: new Float32Array(16) });
      tensors.set('norms', { shape: [1], data: Float64Array.of(1) });
      tensors.set('input_gradient', { shape: [4, 2, 2], data: new Float32Array(16) });
    });
    const error = (await readReference(path).catch((caught: unknown) => caught)) as Error;
    expect(error).toBeInstanceOf(MergeguardError);
    for (const part of [
      'the left subspace of wide.weight is missing',
      'the right factor of wide.weight is missing',
      'the calibration labels are missing',
      'tau conv.weight is [18], the tensor [2, 1, 3, 3]',
      'tau other.weight belongs to no shared tensor',
      'tau frozen.weight has 6 of 6 values that are NaN or infinite',
      'the norms are not 4 finite numbers',
      'the bottom subspace of wide.weight, which is [4, 6], is [4, 4]',
      'there is an input gradient, but no calibration samples that it is of',
    ]) {
      expect(error.message).toContain(part);
    }
  });

  it.each<[string, (tensors: Tensors) => void, string]>([
    [
      'a task vector that moved but is not there',
      (tensors) => tensors.delete('tau/wide.bias'),
      'the task vector of wide.bias is missing, whose norm is not zero',
    ],
    [
      'a subspace without its spectrum',
      (tensors) => tensors.delete('spectrum/wide.weight'),
      'the spectrum of wide.weight is missing',
    ],
    [
      'a task vector twice',
      (tensors) => {
        tensors.set('tau_left/wide.weight', { shape: [4, 1], data: new Float32Array(4) });
        tensors.set('tau_right/wide.weight', { shape: [1, 6], data: new Float32Array(6) });
      },
      'wide.weight has both a task vector and factors of one',
    ],
    [
      'factors that do not go together',
      (tensors) => {
        tensors.delete('tau/wide.weight');
        tensors.set('tau_left/wide.weight', { shape: [4, 1], data: new Float32Array(4) });
        tensors.set('tau_right/wide.weight', { shape: [2, 6], data: new Float32Array(12) });
      },
      'the factors of wide.weight, which is [4, 6], are [4, 1] and [2, 6]',
    ],
    [
      'more input gradients than samples',
      (tensors) => tensors.set('input_gradient', { shape: [4, 2, 2], data: new Float32Array(16) }),
      'the input gradient is [4, 2, 2], the calibration inputs are [3, 2, 2]',
    ],
    [
      'input gradients of other inputs',
      (tensors) => tensors.set('input_gradient', { shape: [2, 4], data: new Float32Array(8) }),
      'the input gradient is [2, 4], the calibration inputs are [3, 2, 2]',
    ],
  ])('is refused with %s', async (_, change, problem) => {
    await writeTampered((tensors) => void change(tensors));
    await expect(readReference(path)).rejects.toThrow(problem);
  });

  it.each<[string, (tensors: Tensors, metadata: Record<string, string>) => void, RegExp]>([
    [
      'a task vector that moved but is not there',
      (tensors) => tensors.delete('tau/wide.bias'),
      /the task vector of wide\.bias is missing, whose norm is not zero/,
    ],
    ['no norms', (tensors) => tensors.delete('norms'), /the norms are not 4 finite numbers/],
    [
      'a task vector of another shape',
      (tensors) => tensors.set('tau/conv.weight', { shape: [18], data: new Float32Array(18) }),
      /tau conv\.weight is \[18\], the tensor \[2, 1, 3, 3\]/,
    ],
    [
      'one factor',
      (tensors) => tensors.set('tau_right/wide.weight', { shape: [1, 6], data: new Float32Array(6) }),
      /the left factor of wide\.weight is missing/,
    ],
    [
      'factors of a wrong width',
      (tensors) => {
        tensors.delete('tau/wide.weight');
        tensors.set('tau_left/wide.weight', { shape: [4, 1], data: new Float32Array(4) });
        tensors.set('tau_right/wide.weight', { shape: [1, 5], data: new Float32Array(5) });
      },
      /the factors of wide\.weight, which is \[4, 6\], are \[4, 1\] and \[1, 5\]/,
    ],
    [
      'factors of no width',
      (tensors) => {
        tensors.set('tau_left/frozen.weight', { shape: [3, 0], data: new Float32Array(0) });
        tensors.set('tau_right/frozen.weight', { shape: [0, 2], data: new Float32Array(0) });
      },
      /the factors of frozen\.weight, which is \[3, 2\], are \[3, 0\] and \[0, 2\]/,
    ],
    [
      'one subspace',
      (tensors) => tensors.delete('left/wide.weight'),
      /the left subspace of wide\.weight is missing/,
    ],
    [
      'a spectrum alone',
      (tensors) =>
        tensors.set('spectrum/frozen.weight', { shape: [1], dtype: 'F64', data: Float64Array.of(1) }),
      /the left subspace of frozen\.weight is missing[\s\S]*the right subspace of frozen\.weight is missing/,
    ],
    [
      'a spectrum that is too long',
      (tensors) => tensors.set('spectrum/wide.weight', { shape: [5], data: new Float64Array(5) }),
      /the spectrum of wide\.weight, which is \[4, 6\], is \[5\]/,
    ],
    [
      'subspaces of different widths',
      (tensors) => tensors.set('right/wide.weight', { shape: [6, 3], data: new Float32Array(18) }),
      /the subspaces of wide\.weight, which is \[4, 6\], are \[4, 4\] and \[6, 3\]/,
    ],
    [
      'a bottom of another matrix',
      (tensors) => tensors.set('bottom/wide.weight', { shape: [4, 4], data: new Float32Array(16) }),
      /the bottom subspace of wide\.weight, which is \[4, 6\], is \[4, 4\]/,
    ],
    [
      'a bottom that is too wide',
      (tensors) => tensors.set('bottom/wide.weight', { shape: [6, 5], data: new Float32Array(30) }),
      /the bottom subspace of wide\.weight, which is \[4, 6\], is \[6, 5\]/,
    ],
    [
      'a bottom alone',
      (tensors) => tensors.set('bottom/frozen.weight', { shape: [2, 2], data: new Float32Array(4) }),
      /frozen\.weight has a bottom subspace, but no left one/,
    ],
    [
      'a name twice',
      (_, metadata) => {
        const description = JSON.parse(metadata.reference!);
        description.tensors[1] = description.tensors[0];
        metadata.reference = JSON.stringify(description);
      },
      /the tensor \S+ is listed twice/,
    ],
  ])('is refused when it is opened, and when it is read, with %s', async (_, change, problem) => {
    await writeTampered((tensors, metadata) => void change(tensors, metadata));
    for (const open of [openReference, readReference]) {
      const error = (await open(path).catch((caught: unknown) => caught)) as Error;
      expect(error).toBeInstanceOf(MergeguardError);
      expect(error.message).toMatch(/is not a sound reference; make it again:/);
      expect(error.message).toMatch(problem);
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
