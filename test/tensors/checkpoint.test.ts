import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  openCheckpoint,
  readNamedTensors,
  SafetensorsError,
  writeSafetensors,
} from '../../src/tensors/index.js';

const INDEX = 'model.safetensors.index.json';
const scalar = (value: number) => ({ shape: [1], data: Float32Array.of(value) });

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function writeShards(weightMap: unknown): Promise<void> {
  await writeSafetensors(
    join(folder, 'one.safetensors'),
    new Map([
      ['a', scalar(1)],
      ['unlisted', scalar(9)],
    ]),
  );
  await writeSafetensors(join(folder, 'two.safetensors'), new Map([['module.b', scalar(2)]]));
  await writeFile(
    join(folder, INDEX),
    JSON.stringify({ metadata: { total_size: 8, format: 'pt' }, weight_map: weightMap }),
  );
}

describe('openCheckpoint', () => {
  it('reads shards through their index as one, by folder or by index file', async () => {
    await writeShards({ a: 'one.safetensors', 'module.b': 'two.safetensors' });
    for (const path of [folder, join(folder, INDEX)]) {
      const checkpoint = await openCheckpoint(path);
      expect(checkpoint.names).toEqual(['a', 'module.b']);
      expect(checkpoint.metadata).toEqual({ total_size: '8', format: 'pt' });
      expect(checkpoint.info('module.b')).toMatchObject({ dtype: 'F32', shape: [1] });
      expect(await checkpoint.readFloat32('module.b')).toEqual(Float32Array.of(2));
      await expect(checkpoint.readFloat32('unlisted')).rejects.toThrow(/lists no tensor "unlisted"/);
      expect(await readNamedTensors(checkpoint)).toEqual(
        new Map([
          ['a', scalar(1)],
          ['b', scalar(2)],
        ]),
      );
      await checkpoint.close();
    }
  });

  it('reads a single file, by its own path or by its folder', async () => {
    const path = join(folder, 'model.safetensors');
    await writeSafetensors(path, new Map([['a', scalar(3)]]), { who: 'me' });
    for (const where of [path, folder]) {
      const checkpoint = await openCheckpoint(where);
      expect([checkpoint.names, checkpoint.metadata]).toEqual([['a'], { who: 'me' }]);
      expect(await checkpoint.readFloat32('a')).toEqual(Float32Array.of(3));
      await checkpoint.close();
    }
  });

  it('lists missing shards, absent tensors and shard names that leave the folder, all at once', async () => {
    await writeShards({
      a: 'one.safetensors',
      c: 'one.safetensors',
      d: 'three.safetensors',
      e: '../evil.safetensors',
      f: '/etc/passwd',
      g: '..\\evil.safetensors',
      h: '..',
    });
    const error = await openCheckpoint(folder).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(SafetensorsError);
    const { message } = error as Error;
    expect(message).toContain('tensor "c" should be in "one.safetensors", which does not hold it');
    expect(message).toMatch(/three.safetensors" can't be opened/);
    for (const shard of ['../evil.safetensors', '/etc/passwd', '..\\evil.safetensors', '..']) {
      expect(message).toContain(`the shard "${shard}" is not a file name`);
    }
  });

  it('refuses an index that is none, or that names a tensor twice', async () => {
    const path = join(folder, INDEX);
    await writeFile(path, '{"weight_map": 3}');
    await expect(openCheckpoint(folder)).rejects.toThrow(
      /not an index of safetensors shards[\s\S]*weight_map/,
    );
    await writeFile(path, '{');
    await expect(openCheckpoint(folder)).rejects.toThrow(/can't be read/);
    await writeFile(path, '{"weight_map": {"a": "x", "a": "y"}}');
    await expect(openCheckpoint(folder)).rejects.toThrow(/"a" occurs twice/);
  });

  it('says what it looked for in a folder without a checkpoint, and names a path that is not there', async () => {
    await expect(openCheckpoint(folder)).rejects.toThrow(
      /neither model.safetensors nor model.safetensors.index.json/,
    );
    await expect(openCheckpoint(join(folder, 'nothing'))).rejects.toThrow(/nothing" can't be opened/);
  });
});
