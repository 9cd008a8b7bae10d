import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelPaths } from '../../src/at-rest/model-paths.js';
import { MergeguardError } from '../../src/tensors/index.js';
import { disk } from './models-on-disk.js';

const { at } = disk();

async function touch(...names: string[]): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(at(name)), { recursive: true });
    await writeFile(at(name), '');
  }
}

const namesOf = async (given: string[], base: string | null = null, single: string | null = null) =>
  (await modelPaths(given.map(at), base === null ? null : at(base), single === null ? null : at(single))).map(
    ({ name }) => name,
  );

describe('modelPaths', () => {
  it('names a model by the stem of its file or by its folder', async () => {
    await touch(
      'a/x.safetensors',
      'a/y.safetensors.index.json',
      'a/z/model.safetensors',
      'a/l/adapter_config.json',
    );
    expect(
      await namesOf(['a/x.safetensors', 'a/y.safetensors.index.json', 'a/z', 'a/l', 'a/z/model.safetensors']),
    ).toEqual(['x', 'y', 'z', 'l', 'model']);
  });

  it('tells models apart by as many folders as it takes', async () => {
    await touch(
      'b/one/run/model.safetensors',
      'b/two/run/model.safetensors',
      'b/three.safetensors',
      'b/four.safetensors',
      'b/four/model.safetensors',
    );
    const files = ['b/one/run/model.safetensors', 'b/two/run/model.safetensors', 'b/three.safetensors'];
    expect(await namesOf(files)).toEqual(['one/run/model', 'two/run/model', 'three']);
    expect(await namesOf(['b/one/run', 'b/two/run'])).toEqual(['one/run', 'two/run']);
    expect(await namesOf(['b/four', 'b/four.safetensors'])).toEqual(['four', 'four.safetensors']);
  });

  it('takes every model of a folder, in the order of names, but for the base and what is given itself', async () => {
    await touch(
      'c/m/base.safetensors',
      'c/m/b.safetensors',
      'c/m/a/model.safetensors.index.json',
      'c/m/lora/adapter_config.json',
      'c/m/notes.txt',
      'c/m/other/readme.md',
    );
    await symlink(at('c/m/b.safetensors'), at('c/m/linked.safetensors'));
    await symlink(at('c/m/gone'), at('c/m/broken.safetensors'));
    expect(await namesOf(['c/m'], 'c/m/base.safetensors')).toEqual(['a', 'b', 'linked', 'lora']);
    expect(await namesOf(['c/m'])).toEqual(['a', 'b', 'base', 'linked', 'lora']);
    expect(await namesOf(['c/m/lora', 'c/m'], 'c/m/base.safetensors')).toEqual(['lora', 'a', 'b', 'linked']);
  });

  it('says everything that is wrong with any path', async () => {
    await touch(
      'd/a.safetensors',
      'd/b.safetensors',
      'd/pickle.bin',
      'd/old/pytorch_model.bin',
      'd/empty/x.txt',
    );
    const given = ['d/a.safetensors', 'd/a.safetensors', 'd/nowhere', 'd/pickle.bin', 'd/old', 'd/empty'].map(
      at,
    );
    const error = (await modelPaths(given, null).catch((caught: unknown) => caught)) as Error;
    expect(error).toBeInstanceOf(MergeguardError);
    for (const problem of [
      /^these models can not be used:/,
      /a\.safetensors" is given twice/,
      /the model ".*nowhere" can't be opened/,
      /pickle\.bin" is not a safetensors file; save the model again/,
      /old" holds "pytorch_model\.bin", which is not a safetensors file/,
      /the folder ".*empty" holds no model: neither model\.safetensors nor /,
    ]) {
      expect(error.message).toMatch(problem);
    }
    await expect(namesOf(['d/../d/a.safetensors', 'd/a.safetensors'])).rejects.toThrow(/is given twice$/);
  });

  it('refuses a folder of several where one is meant', async () => {
    await touch('e/m/a.safetensors', 'e/m/b.safetensors', 'e/n/c.safetensors');
    await expect(namesOf(['e/m', 'e/n'], null, 'e/m')).rejects.toThrow(
      /m" holds 2 models \(a, b\); give one of them/,
    );
    expect(await namesOf(['e/n', 'e/m'], null, 'e/n')).toEqual(['c', 'a', 'b']);
  });
});
