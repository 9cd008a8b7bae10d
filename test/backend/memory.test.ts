import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { deviceMemory, isOutOfMemory, openBackend } from '../../src/backend/index.js';
import { nvidiaMemory } from '../../src/backend/memory.js';

describe('memory of the device', () => {
  it.each([
    ['wasm', 2 ** 32],
    ['cpu', Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)],
  ] as const)('of %s', async (name, bytes) => {
    await openBackend(name);
    const found = await deviceMemory();
    expect(found.bytes).toBe(bytes);
    expect(found.source).toMatch(name === 'wasm' ? /heap/ : /machine's memory/);
  });
});

/** A mock: a program of that name, since no device here has the real one. It says `answer`, in which $1 is its first argument. */
function nvidiaSmi(folder: string, answer: string): NodeJS.ProcessEnv {
  const program = join(folder, 'nvidia-smi');
  writeFileSync(program, `#!/bin/sh\necho "${answer}"\n`);
  chmodSync(program, 0o755);
  return { PATH: [folder, process.env.PATH].join(delimiter) };
}

describe('memory of an NVIDIA device', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mergeguard-'));
    return () => rmSync(folder, { recursive: true });
  });

  const last = (cards: readonly number[]) => cards.at(-1)!;

  it('is chosen among all that there are', async () => {
    const environment = nvidiaSmi(folder, '143771\n24564');
    expect(await nvidiaMemory(last, environment)).toEqual({ bytes: 24564 * 2 ** 20, source: 'nvidia-smi' });
    const most = await nvidiaMemory((cards) => Math.max(...cards), environment);
    expect(most.bytes).toBe(143771 * 2 ** 20);
  });

  it('or among those that CUDA sees, in their order', async () => {
    // Device n has n thousand MiB.
    const environment = nvidiaSmi(folder, '$(echo $1 | cut -c6-)000');
    const { bytes } = await nvidiaMemory(last, { ...environment, CUDA_VISIBLE_DEVICES: '2, 7,3' });
    expect(bytes).toBe(3000 * 2 ** 20);
  });

  it.each([
    ['[N/A]', /^nvidia-smi says "\[N\/A\]"$/],
    ['', /^nvidia-smi says ""$/],
  ])('is not known where the answer is "%s"', async (answer, source) => {
    const found = await nvidiaMemory(last, nvidiaSmi(folder, answer));
    expect(found.bytes).toBeNull();
    expect(found.source).toMatch(source);
  });

  it('nor where there is no such program', async () => {
    const found = await nvidiaMemory(last, { PATH: folder });
    expect(found).toEqual({
      bytes: null,
      source: expect.stringMatching(/^nvidia-smi does not say: .*ENOENT/),
    });
  });
});

describe('an error for want of memory', () => {
  it.each([
    'OOM when allocating tensor with shape[4096,4096] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [Op:Mul]',
    'RESOURCE_EXHAUSTED: failed to allocate memory',
    'Resource exhausted: something',
    'CUDA_ERROR_OUT_OF_MEMORY: out of memory',
    'out-of-memory error of the webgpu device nvidia-h100: buffer',
    'Array buffer allocation failed',
    'Invalid typed array length: 10000000000',
  ])('is known: %s', (message) => {
    expect(isOutOfMemory(new Error(message))).toBe(true);
    expect(isOutOfMemory(message)).toBe(true);
  });

  it.each([
    'Invalid typed array length: -1',
    'Invalid array length',
    'device lost',
    'the room is zoomed',
    'Aborted(). Build with -sASSERTIONS for more info.',
    '',
  ])('from others: %s', (message) => {
    expect(isOutOfMemory(new Error(message))).toBe(false);
  });
});
