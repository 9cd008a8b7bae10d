import { rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeReferenceFile } from '../../src/at-rest/index.js';
import { openPool } from '../../src/calibrate/open-pool.js';
import { readPoolFile } from '../../src/calibrate/pool-file.js';
import { Random } from '../../src/tensors/index.js';
import { adapter, disk, fineTuned, randomBase, tensor } from '../at-rest/models-on-disk.js';
import { PoolOnDisk } from './pool-on-disk.js';

const files = disk();
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const pool = new PoolOnDisk(files, 'pool');
beforeAll(() => pool.write(NAMES));

const model = (name: string) => ({ name, path: `models/${name}.safetensors` });
const all = NAMES.map(model);

async function opened(options: Record<string, unknown> = {}, known: string[] = []) {
  return openPool(await readPoolFile(pool.pool(options)), { known });
}

async function refusal(options: Record<string, unknown>, known: string[] = []): Promise<string> {
  const error = await opened(options, known).then(
    () => new Error('it was taken'),
    (thrown: Error) => thrown,
  );
  return error.message.replaceAll(pool.at(''), '');
}

describe('openPool', () => {
  it('finds the models of a folder, and what a list calls them', async () => {
    const folder = await opened();
    expect(folder.models.map(({ name, task }) => [name, task])).toEqual(NAMES.map((name) => [name, name]));
    expect(new Set([folder.baseIdentity, ...folder.models.map(({ identity }) => identity)]).size).toBe(6);
    expect(folder.merges.map(({ id }) => id)).toEqual(['weight_avg', 'ties']);
    expect(folder.notices).toEqual([]);
    const models = [{ path: 'models/a.safetensors', name: 'first', task: 'one' }, ...all.slice(1)];
    const list = await opened({ models, methods: [{ ties: { density: 0.1 } }, 'ties@0.3', 'slerp'] });
    expect(list.models.map(({ name, task }) => [name, task])).toEqual([
      ['first', 'one'],
      ...NAMES.slice(1).map((name) => [name, name]),
    ]);
    expect(list.merges.map(({ id }) => id)).toEqual(['ties@density=0.1', 'ties@0.3', 'slerp']);
    expect(list.models[0]!.identity).toBe(folder.models[0]!.identity);
  });

  it('calls references what they call themselves, and takes models of every kind', async () => {
    const out = pool.at('ref.safetensors');
    const path = pool.at('models/a.safetensors');
    await makeReferenceFile({ base: pool.at('base.safetensors'), model: path, name: 'itself', out });
    await files.writeAdapter('pool/lora', adapter(pool.base, { rank: 2, modules: ['layers.0.up'] }, 'lora'));
    const models = [{ path: 'ref.safetensors' }, { path: 'lora' }, ...all.slice(1)];
    expect((await opened({ models })).models.map(({ name }) => name)).toEqual([
      'itself',
      'lora',
      'b',
      'c',
      'd',
      'e',
    ]);
  });

  it('tells everything that is wrong at once', async () => {
    const broken = pool.at('broken.safetensors');
    writeFileSync(broken, 'no tensors');
    const models = [
      ...all.slice(0, 2),
      { name: 'a', path: 'none.safetensors' },
      { path: 'broken.safetensors' },
    ];
    const methods = [
      { ties: { density: 1.5, typo: 1 } },
      'tise',
      'weight_avg',
      'weight_avg',
      'linear@weights=0.2:0.3:0.5',
    ];
    const evaluate = { command: 'eval {chekpoint}' };
    const groups = { sizes: [3], each: 5 };
    const text = await refusal({ models, methods, evaluate, groups, heads: ['nothing'] }, [
      'out is there already',
    ]);
    for (const line of [
      /^pool\.yaml can not be calibrated:\n {2}- out is there already\n/,
      /parameters of merge method ties:\n.*density = 1\.5: .*\n.*"typo"/,
      /unknown merge method "tise"; did you mean ties\?/,
      /merge method weight_avg is there twice/,
      /linear@weights=0\.2:0\.3:0\.5 can not merge two models/,
      /the model "none\.safetensors" can't be opened: there is no such file/,
      /broken\.safetensors/,
      /4 models; a fingerprint is fitted on the pairs of at least 5/,
      /groups: 4 different ones; a fit of groups needs at least 10/,
      /\{chekpoint\} is not known in the evaluation command; did you mean \{checkpoint\}\?/,
      /the evaluation command has no \{task\}/,
    ]) {
      expect(text).toMatch(line);
    }
    expect(await refusal({ models: [...all, { path: 'broken.safetensors' }] })).toMatch(
      /broken\.safetensors/,
    );
  });

  it('refuses two models of one name, one model under two names, and the base as a model', async () => {
    const twin = [...all.slice(0, 4), { name: 'a', path: 'models/e.safetensors' }];
    expect(await refusal({ models: twin })).toBe(
      '2 models are called a (models/a.safetensors, models/e.safetensors); give each a name of its own',
    );
    const same = [...all, { name: 'f', path: './models/../models/a.safetensors' }];
    expect(await refusal({ models: same })).toBe('f and a are one model, models/a.safetensors');
    const base = [...all, { name: 'f', path: 'base.safetensors' }];
    expect(await refusal({ models: base })).toMatch(/^f is the base, base\.safetensors/);
    expect(await refusal({ models: [...all.slice(1), { ...all[0], name: ' a' }] })).toMatch(
      '" a" can not be the name of a model in a table',
    );
  });

  it('refuses mixed bases: by what references say, by shapes, by distance', async () => {
    const other = await files.write('other/base', randomBase('F32', 'other'));
    const foreign = await files.write('other/foreign', fineTuned(randomBase('F32', 'other'), 'f'));
    const out = pool.at('foreign-ref.safetensors');
    await makeReferenceFile({ base: other, model: foreign, name: 'f', out });
    expect(await refusal({ models: [...all, { path: out }] })).toMatch(
      /^f was made from another base \(\w{12} there, \w{12} here\)|these references do not belong to one base/,
    );
    expect(await refusal({ models: [...all, { name: 'f', path: foreign }] })).toMatch(
      /^f is 1\.\d\d times as far from the base base\.safetensors as that is from zero: it was hardly fine-tuned from it/,
    );
    const random = new Random('misfit');
    await files.write('other/misfit', new Map([['embed.weight', tensor([3, 3], random)]]));
    expect(
      await refusal({ models: [...all, { name: 'f', path: files.at('other/misfit.safetensors') }] }),
    ).toMatch(/only .* % of the parameters of the base .* match/);
  });

  it('refuses a missing base', async () => {
    expect(await refusal({ base: 'none.safetensors' })).toMatch(/none\.safetensors/);
    expect(await refusal({ models: 'nowhere' })).toMatch(
      /the model "nowhere" can't be opened: there is no such file/,
    );
  });

  it('refuses models that the zoo can not evaluate', async () => {
    const text = await refusal({ evaluate: { zoo: {} } });
    expect(text).toMatch(/a: .*is not a mergeguard reference/);
    expect(text).toMatch(/e: .*is not a mergeguard reference/);
    const heads = ['embed'];
    expect(await refusal({ evaluate: { zoo: {} }, heads })).toMatch(
      /^heads: the base of a zoo pool is an encoder/,
    );
    const out = pool.at('headless.safetensors');
    rmSync(out, { force: true });
    await makeReferenceFile({
      base: pool.at('base.safetensors'),
      model: pool.at('models/a.safetensors'),
      name: 'x',
      out,
    });
    expect(await refusal({ models: [{ path: out }, ...all.slice(1)], evaluate: { zoo: {} } })).toMatch(
      /x: .*headless\.safetensors holds no head, with which the zoo evaluates it/,
    );
  });

  it('says what the figures will not be worth, and what groups leave out', async () => {
    const models = [{ ...all[0], task: 'b' }, ...all.slice(1)];
    const { notices, groups } = await opened({ models, methods: ['slerp', 'ties'], groups: { each: 100 } });
    expect(notices).toEqual([
      expect.stringMatching(/^a, b are of one task, b: leaving one of them out does not hide the task/),
      'slerp can not merge 3 models: left out there',
    ]);
    // all there are
    expect(groups).toHaveLength(10);
    expect(new Set(groups.map((group) => group.join())).size).toBe(10);
  });

  it('draws the same groups for the same seed', async () => {
    const drawn = async (seed: number) => (await opened({ groups: { sizes: [3, 4], each: 6, seed } })).groups;
    expect(await drawn(1)).toEqual(await drawn(1));
    expect(await drawn(1)).not.toEqual(await drawn(2));
    expect((await drawn(1)).map(({ length }) => length)).toEqual([3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4]);
  });
});
