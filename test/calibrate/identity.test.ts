import { cpSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { contentIdentity } from '../../src/calibrate/identity.js';
import { adapter, disk, fineTuned, randomBase } from '../at-rest/models-on-disk.js';

const { at, write, writeAdapter, writeShards } = disk();
const base = randomBase();

describe('contentIdentity', () => {
  it('is of what a file holds, not of its name or age', async () => {
    const one = await write('one', fineTuned(base, 'one'));
    const other = await write('other', fineTuned(base, 'other'));
    cpSync(one, at('copy'));
    utimesSync(at('copy'), 1, 1);
    expect(await contentIdentity(at('copy'))).toBe(await contentIdentity(one));
    expect(await contentIdentity(other)).not.toBe(await contentIdentity(one));
  });

  it('is of every file of a folder or of an index', async () => {
    const shards = await writeShards('shards', base);
    const index = join(shards, 'model.safetensors.index.json');
    const before = [await contentIdentity(shards), await contentIdentity(index)];
    writeFileSync(join(shards, 'README.md'), 'words');
    expect([await contentIdentity(shards), await contentIdentity(index)]).toEqual(before);
    renameSync(join(shards, 'model-00002-of-00002.safetensors'), at('away'));
    await expect(contentIdentity(index)).rejects.toThrow('ENOENT');
    await write('shards/model-00002-of-00002', fineTuned(base, 'other'));
    expect(await contentIdentity(shards)).not.toBe(before[0]);
    expect(await contentIdentity(index)).not.toBe(before[1]);
  });

  it('is another one where an adapter is scaled otherwise', async () => {
    const made = adapter(base, { rank: 2, modules: ['layers.0.up'] }, 'lora');
    const folder = await writeAdapter('lora', made);
    const before = await contentIdentity(folder);
    await writeAdapter('lora', { ...made, config: { ...made.config, lora_alpha: 8 } });
    expect(await contentIdentity(folder)).not.toBe(before);
  });
});
