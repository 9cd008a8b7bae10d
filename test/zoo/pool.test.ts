import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBackend } from '../../src/backend/index.js';
import type { Reference } from '../../src/reference/index.js';
import {
  baseIdentity,
  MergeguardError,
  type NamedTensors,
  writeSafetensors,
} from '../../src/tensors/index.js';
import { type Pool, type PoolOptions, preparePool } from '../../src/zoo/pool.js';
import { barTask } from './small-tasks.js';

const RECIPES = {
  pretraining: { steps: 2, batch: 4, learningRate: 1e-3 },
  fineTuning: { steps: 1, batch: 4, learningRate: 1e-3 },
};
const pretraining = [barTask('north', 2), barTask('south', 3)];
const references = [barTask('bars', 2)];

let cache: string;
beforeAll(async () => {
  await openBackend('wasm');
});
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'mergeguard-pool-'));
});
afterEach(() => rm(cache, { recursive: true }));

/** The pool, and the phases of training that it took. */
async function prepare(options: Partial<PoolOptions> = {}): Promise<{ pool: Pool; phases: string[] }> {
  const phases: string[] = [];
  const pool = await preparePool({
    pretraining,
    references,
    seed: 1,
    source: 'test',
    cache,
    recipes: RECIPES,
    onProgress: (phase) => phases.push(phase),
    ...options,
  });
  return { pool, phases: [...new Set(phases)] };
}

function bits(tensors: NamedTensors | null): [string, string][] {
  return [...(tensors ?? [])]
    .map(([name, { data }]): [string, string] => [
      name,
      Buffer.from(new Uint8Array(data.slice().buffer)).toString('base64'),
    ])
    .sort();
}

function expectSame(pool: Pool, other: Pool): void {
  expect(baseIdentity(pool.base)).toBe(baseIdentity(other.base));
  expect(pool.references.map(({ name }) => name)).toEqual(other.references.map(({ name }) => name));
  pool.references.forEach((reference, i) => {
    const twin = other.references[i];
    for (const part of ['tau', 'gradient', 'head'] as const) {
      expect(bits(reference[part]), `${part} of ${reference.name}`).toEqual(bits(twin[part]));
    }
    expect(reference.accuracy).toBe(twin.accuracy);
    expect(reference.calibration?.labels).toEqual(twin.calibration?.labels);
    const own = (one: Reference) =>
      bits(
        new Map([
          ['images', one.calibration!.images],
          ['gradient', one.inputGradient!],
        ]),
      ).concat(bits(one.bottoms));
    expect(own(reference)).toEqual(own(twin));
  });
}

/** Path of a file of the only pool in the cache. */
async function cachedFile(name: string): Promise<string> {
  const pools = await readdir(join(cache, 'zoo'));
  expect(pools.length).toBe(1);
  return join(cache, 'zoo', pools[0], name);
}

describe('preparePool', () => {
  it('trains once, then reads the same tensors from the cache, and keeps none on the device', async () => {
    const before = tf.memory().numTensors;
    const first = await prepare();
    expect(first.phases).toEqual(['pretrain', 'reference bars']);
    expect(first.pool.references[0].calibration?.images.shape).toEqual([8, 28, 28]);
    expect(first.pool.references[0].inputGradient?.shape).toEqual([8, 28, 28]);
    const second = await prepare();
    expect(second.phases).toEqual([]);
    expectSame(second.pool, first.pool);
    expect(tf.memory().numTensors).toBe(before);
    const uncached = await prepare({ cache: null });
    expect(uncached.phases).toEqual(first.phases);
    expectSame(uncached.pool, first.pool);
  });

  it('makes only what is missing', async () => {
    await prepare({ references: [] });
    expect((await prepare()).phases).toEqual(['reference bars']);
    const more = await prepare({ references: [barTask('lines', 3), ...references] });
    expect(more.phases).toEqual(['reference lines']);
    expect(more.pool.references.map(({ name }) => name)).toEqual(['lines', 'bars']);
  });

  it('keeps pools of other seeds, tasks, sources and recipes apart', async () => {
    await prepare({ references: [] });
    const longer = { ...RECIPES, pretraining: { ...RECIPES.pretraining, steps: 3 } };
    for (const other of [
      { seed: 2 },
      { pretraining: [pretraining[0]] },
      { source: 'b' },
      { recipes: longer },
    ]) {
      expect((await prepare({ references: [], ...other })).phases).toEqual(['pretrain']);
    }
    expect((await readdir(join(cache, 'zoo'))).length).toBe(5);
  });

  it('makes a half-written base again, and its references are still good', async () => {
    const first = await prepare();
    const path = await cachedFile('base.safetensors');
    const { size } = await stat(path);
    await truncate(path, Math.floor(size / 2));
    const second = await prepare();
    expect(second.phases).toEqual(['pretrain']);
    expectSame(second.pool, first.pool);
    expect((await stat(path)).size).toBe(size);
  });

  it('makes a corrupt reference again, and only that', async () => {
    const first = await prepare();
    const path = await cachedFile('bars.reference.safetensors');
    const good = await readFile(path);
    const damages = [
      good.subarray(0, good.length - 100),
      await readFile(await cachedFile('base.safetensors')),
    ];
    for (const damaged of damages) {
      await writeFile(path, damaged);
      expect((await prepare()).phases).toEqual(['reference bars']);
    }
    expectSame((await prepare()).pool, first.pool);
  });

  it('makes references again whose base is not the one in the cache', async () => {
    const { pool } = await prepare();
    const [name, tensor] = [...pool.base][0];
    const moved = new Map(pool.base).set(name, { ...tensor, data: tensor.data.map((value) => value + 0.01) });
    await writeSafetensors(await cachedFile('base.safetensors'), moved);
    const second = await prepare();
    expect(second.phases).toEqual(['reference bars']);
    expect(second.pool.references[0].baseHash).toBe(baseIdentity(moved));
  });

  it('says so when the cache is no folder', async () => {
    const file = join(cache, 'file');
    await writeFile(file, '');
    const preparing = prepare({ cache: file });
    await expect(preparing).rejects.toThrow(MergeguardError);
    await expect(preparing).rejects.toThrow(/can't be made .*--cache/);
  });
});
