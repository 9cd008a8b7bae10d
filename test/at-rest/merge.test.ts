import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type MergeFilesOptions,
  makeReferenceFile,
  mergeFiles,
  writeModel,
} from '../../src/at-rest/index.js';
import { NamedCheckpoint } from '../../src/at-rest/named-checkpoint.js';
import { openModels } from '../../src/at-rest/open-models.js';
import { applyTau, mergeMethod } from '../../src/merging/index.js';
import { lowRankProduct } from '../../src/reference/index.js';
import {
  encodeFloat16,
  type HostTensor,
  MergeguardError,
  type NamedTensors,
  parseSafetensors,
  Random,
  readCheckpoint,
  type TensorInput,
  taskVector,
} from '../../src/tensors/index.js';
import { adapter, disk, fineTuned, randomBase, renamed, type Tensors, tensor } from './models-on-disk.js';

const { at, write, writeAdapter, writeShards } = disk();
const base = randomBase();
const [one, two, three] = ['one', 'two', 'three'].map((name) => fineTuned(base, name)) as [
  Tensors,
  Tensors,
  Tensors,
];
let count = 0;
const fresh = () => `merge ${count++}`;

const inMemory = (tensors: Tensors): NamedTensors =>
  new Map(
    [...tensors].map(([name, { shape, data }]) => [
      name,
      { shape, data: Float32Array.from(data as Float32Array) },
    ]),
  );

/** Merges what is written to files of a folder of its own, by these names. */
async function merge(
  id: string,
  origin: Tensors,
  models: Record<string, Tensors>,
  options: Partial<MergeFilesOptions> = {},
) {
  const folder = fresh();
  const paths: string[] = [];
  for (const [name, tensors] of Object.entries(models)) {
    paths.push(await write(`${folder}/${name}`, tensors));
  }
  const out = at(`${folder}/merged.safetensors`);
  const merged = await mergeFiles({
    base: await write(`${folder}/base`, origin),
    models: paths,
    merge: mergeMethod(id),
    out,
    threads: 2,
    ...options,
  });
  return { ...merged, folder: dirname(out), content: parseSafetensors(readFileSync(merged.out)) };
}

/** The same in memory: base + the merged task vectors, both in float32. */
function expected(id: string, origin: Tensors, models: readonly Tensors[]): NamedTensors {
  const from = inMemory(origin);
  const taus = models.map((model) => taskVector(from, inMemory(model)));
  return applyTau(from, mergeMethod(id).merge(taus, from));
}

const failure = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(MergeguardError);
  return (error as Error).message;
};

const change = (tensors: Tensors, name: string, values: Partial<TensorInput>): Tensors =>
  new Map([...tensors, [name, { ...tensors.get(name)!, ...values }]]);

describe('mergeFiles', () => {
  it.each([
    'weight_avg',
    'task_arithmetic@0.6',
    'ties@density=0.3',
    'ties@0.5@trim=tensor',
    'dare@seed=3',
    'linear@weights=0.2:0.5:0.3',
    'tsv',
    'isotropic',
  ])('gives to the last bit what %s gives in memory', async (id) => {
    const { content, models, merged } = await merge(id, base, { one, two, three });
    const wanted = expected(id, base, [one, two, three]);
    expect([...content.tensors.keys()].sort()).toEqual([...wanted.keys()].sort());
    for (const [name, { shape, data }] of wanted) {
      expect(content.tensors.get(name), name).toEqual({ dtype: 'F32', shape, data });
    }
    expect(models.map(({ name, kind }) => [name, kind])).toEqual([
      ['one', 'checkpoint'],
      ['two', 'checkpoint'],
      ['three', 'checkpoint'],
    ]);
    expect(merged).toBe(6);
  });

  it.each(['weight_avg', 'task_arithmetic@0.7', 'linear@weights=0.2:-0.5', 'linear@normalise=false'])(
    'does so for two models and %s, even where values are the negatives of each other',
    async (id) => {
      const mirrored = new Map(
        [...one].map(([name, { shape, data }]) => [
          name,
          { shape, data: (data as Float32Array).map((value) => -value) },
        ]),
      );
      for (const other of [two, mirrored, base]) {
        const { content } = await merge(id, base, { one, other });
        for (const [name, { data }] of expected(id, base, [one, other])) {
          expect(content.tensors.get(name)!.data, name).toEqual(data);
        }
      }
    },
  );

  it('does so for slerp, which needs the base and two models', async () => {
    const { content } = await merge('slerp@0.3', base, { one, two });
    for (const [name, { data }] of expected('slerp@0.3', base, [one, two])) {
      expect(content.tensors.get(name)!.data, name).toEqual(data);
    }
    await expect(merge('slerp', base, { one, two, three })).rejects.toThrow(
      'slerp merges exactly 2 models here, got 3',
    );
  });

  it('merges tensors longer than a stretch as if they were whole', async () => {
    // over one stretch, of whole rows and of single values; see stretches.ts
    const random = new Random('long');
    const shapes: Record<string, number[]> = { 'embed.weight': [1100, 700], scale: [2 ** 19 + 3] };
    const make = () => new Map(Object.entries(shapes).map(([name, shape]) => [name, tensor(shape, random)]));
    const [origin, a, b] = [make(), make(), make()];
    for (const id of ['weight_avg', 'ties@density=0.1', 'dare']) {
      const { content } = await merge(id, origin, { a, b });
      for (const [name, { data }] of expected(id, origin, [a, b])) {
        // as bytes: a million values are compared in one go
        expect(
          Buffer.from(content.tensors.get(name)!.data.buffer as ArrayBuffer).equals(
            Buffer.from(data.buffer as ArrayBuffer),
          ),
          `${id} ${name}`,
        ).toBe(true);
      }
    }
  });

  it('takes shards, adapters and references together, the adapter multiplied out', async () => {
    const folder = fresh();
    const origin = await writeShards(
      `${folder}/base`,
      renamed(base, (name) => `model.${name}`),
    );
    const named = renamed(base, (name) => `model.${name}`);
    const sharded = await writeShards(
      `${folder}/sharded`,
      renamed(one, (name) => `module.model.${name}`),
    );
    const lora = await writeAdapter(
      `${folder}/lora`,
      adapter(named, { rank: 2, modules: ['model.layers.0.up'] }, 'lora'),
    );
    const reference = at(`${folder}/reference.safetensors`);
    const model = await write(
      `${folder}/two`,
      renamed(two, (name) => `model.${name}`),
    );
    await makeReferenceFile({ base: origin, model, out: reference, threads: 1 });
    const out = at(`${folder}/merged.safetensors`);
    const merged = await mergeFiles({
      base: origin,
      models: [sharded, lora, reference],
      merge: mergeMethod('weight_avg'),
      out,
    });
    expect(merged.models.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'sharded checkpoint',
      'lora adapter',
      'reference reference',
    ]);
    const from = inMemory(named);
    const opened = await NamedCheckpoint.open(origin, false);
    const [low] = await openModels([{ name: 'lora', path: lora }], opened, false);
    const taus = [one, base, two].map((each) =>
      taskVector(from, inMemory(renamed(each, (name) => `model.${name}`))),
    );
    const { left, right, rank } = await low!.factors('model.layers.0.up.weight');
    const adapted = { shape: [24, 14], data: lowRankProduct(left, right, rank) };
    taus[1] = new Map<string, HostTensor>([...taus[1]!, ['model.layers.0.up.weight', adapted]]);
    await Promise.all([opened, low!].map((each) => each.close()));
    expect(await readCheckpoint(out)).toEqual(
      new Map(
        [...applyTau(from, mergeMethod('weight_avg').merge(taus))].sort(([a], [b]) => (a < b ? -1 : 1)),
      ),
    );
  });

  it('keeps names, dtypes and everything that is not merged as it is in the base', async () => {
    const random = new Random('kept');
    const extra: Tensors = new Map<string, TensorInput>([
      ['ids', { shape: [3], data: BigInt64Array.of(1n, 2n, 3n) }],
      ['bn.running_mean', tensor([4], random)],
      ['head.weight', tensor([3, 14], random, 1, 'F16')],
      ['classifier.weight', tensor([2, 14], random)],
    ]);
    const origin = renamed(new Map([...base, ...extra]), (name) => `_orig_mod.${name}`);
    const own = (model: Tensors, classes: number): Tensors =>
      new Map([
        ...model,
        ...extra,
        ['classifier.weight', tensor([classes, 14], random)],
        ['task.weight', tensor([2], random)],
      ]);
    const merged = await merge(
      'weight_avg',
      origin,
      { one: own(one, 5), two: own(two, 7) },
      { heads: ['head'] },
    );
    expect(Object.fromEntries(merged.copied.map(({ name, reason }) => [name, reason]))).toEqual({
      'head.weight': 'task head',
      'classifier.weight': '[5, 14] in one, [2, 14] in the base',
      ids: 'I64, not a parameter',
      'bn.running_mean': 'running statistic, not a parameter',
    });
    expect(merged.left).toEqual([{ name: 'task.weight', reason: 'in one, two, not in the base' }]);
    expect([merged.merged, merged.total]).toEqual([6, 10]);
    expect([...merged.content.tensors.keys()].sort()).toEqual([...origin.keys()].sort());
    for (const [name, { shape, dtype, data }] of extra) {
      const found = merged.content.tensors.get(`_orig_mod.${name}`)!;
      expect(found.shape).toEqual(shape);
      if (dtype === 'F16') {
        expect([...found.data].map(Number).map(encodeFloat16)).toEqual(
          Array.from(data as Float32Array, encodeFloat16),
        );
        expect(found.dtype).toBe('F16');
      } else {
        expect(found.data).toEqual(data);
      }
    }
  });

  it('records how the model was made, and the format that transformers asks for', async () => {
    const { content, bytes, out } = await merge('dare@seed=7', base, { one, two });
    expect(Object.keys(content.metadata)).toEqual(['format', 'mergeguard']);
    expect(content.metadata.format).toBe('pt');
    expect(JSON.parse(content.metadata.mergeguard!)).toMatchObject({
      by: expect.stringMatching(/^mergeguard \d/),
      merge: 'dare@seed=7',
      method: 'dare',
      parameters: { coefficient: 1, density: 0.5, seed: 7 },
      base: 'base.safetensors',
      models: ['one', 'two'],
      heads: [],
      dtype: null,
    });
    expect(readFileSync(out)).toHaveLength(bytes);
    const folder = fresh();
    const origin = await write(`${folder}/base`, base, { format: 'mlx', other: 'x' });
    const again = await mergeFiles({
      base: origin,
      models: [
        { name: 'A', path: await write(`${folder}/one`, one) },
        { name: 'B', path: await write(`${folder}/two`, two) },
      ],
      merge: mergeMethod('ties'),
      out: at(`${folder}/out.safetensors`),
    });
    const { metadata } = parseSafetensors(readFileSync(again.out));
    expect(metadata.format).toBe('mlx');
    expect(JSON.parse(metadata.mergeguard!)).toMatchObject({ models: ['A', 'B'] });
  });

  it.each(['F16', 'BF16'] as const)(
    'writes the base’s own %s, and others where they are asked for',
    async (dtype) => {
      const half = (tensors: Tensors): Tensors =>
        new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data, dtype }]));
      const inFiles = Object.fromEntries(
        Object.entries({ base, one, two }).map(([name, tensors]) => [name, half(tensors)]),
      ) as Record<string, Tensors>;
      const kept = await merge('weight_avg', inFiles.base!, { one: inFiles.one!, two: inFiles.two! });
      const wide = await merge(
        'weight_avg',
        inFiles.base!,
        { one: inFiles.one!, two: inFiles.two! },
        { dtype: 'F32' },
      );
      expect([kept.dtypes, wide.dtypes]).toEqual([[dtype], ['F32']]);
      // what was rounded to halves once, from files
      const rounded = Object.fromEntries(
        await Promise.all(
          ['base', 'one', 'two'].map(async (name) => [
            name,
            await readCheckpoint(`${kept.folder}/${name}.safetensors`),
          ]),
        ),
      ) as Record<string, Tensors>;
      const wanted = expected('weight_avg', rounded.base!, [rounded.one!, rounded.two!]);
      const again = await write(`${fresh()}/wanted`, half(wanted as Tensors));
      const ofHalves = parseSafetensors(readFileSync(again)).tensors;
      for (const [name, { data }] of wanted) {
        expect(wide.content.tensors.get(name)!.data, name).toEqual(data);
        expect(kept.content.tensors.get(name), name).toEqual(ofHalves.get(name));
      }
    },
  );

  it('keeps float64 where the base has it', async () => {
    const precise = randomBase('F64');
    const models = { a: fineTuned(precise, 'a'), b: fineTuned(precise, 'b') };
    const { content } = await merge('weight_avg', precise, models);
    for (const [name, { data }] of precise) {
      const found = content.tensors.get(name)!;
      expect(found.dtype).toBe('F64');
      data.forEach((_, i) => {
        const mean = (Number(models.a.get(name)!.data[i]) + Number(models.b.get(name)!.data[i])) / 2;
        expect(Math.abs(Number(found.data[i]) - mean)).toBeLessThan(1e-7);
      });
    }
  });

  it('writes tied matrices alike, under every name that the base has for them', async () => {
    const tie = (tensors: Tensors) => new Map([...tensors, ['lm_head.weight', tensors.get('embed.weight')!]]);
    for (const id of ['weight_avg', 'dare', 'ties']) {
      // the second model was saved with the one name only
      const merged = await merge(id, tie(base), { one: tie(one), two });
      expect(merged.tied).toEqual({ 'lm_head.weight': 'embed.weight' });
      expect(merged.copied).toEqual([]);
      expect([merged.merged, merged.share]).toEqual([7, 1]);
      const { tensors } = merged.content;
      expect(tensors.get('lm_head.weight')).toEqual(tensors.get('embed.weight'));
      expect(tensors.get('lm_head.weight')!.data).not.toEqual(base.get('embed.weight')!.data);
    }
    // one that was taken apart is no longer one weight
    const apart = change(tie(one), 'lm_head.weight', { data: two.get('embed.weight')!.data });
    const { tied, apart: untied } = await merge('weight_avg', tie(base), { apart, two });
    expect([tied, untied]).toEqual([{}, { 'lm_head.weight': 'embed.weight' }]);
  });

  it('reports progress over all passes as parameters of one', async () => {
    for (const id of ['weight_avg', 'ties']) {
      const seen: number[][] = [];
      await merge(id, base, { one, two }, { onProgress: (done, total) => void seen.push([done, total]) });
      expect(seen).toHaveLength(id === 'ties' ? 24 : 6);
      expect(seen.at(-1)).toEqual([1252, 1252]);
    }
  });
});

describe('a merge that can not be made', () => {
  it('names the tensor and whose it is where a value is not finite', async () => {
    const broken = (tensors: Tensors, value: number) => {
      const data = Float32Array.from(tensors.get('norm.weight')!.data as Float32Array);
      data[3] = value;
      return change(tensors, 'norm.weight', { data });
    };
    const advice =
      'holds NaN or infinite values, which can not be merged; leave the model out, or the tensor (--heads norm.weight)';
    const sums = ['weight_avg', 'task_arithmetic@0', 'linear@weights=1:0'];
    for (const id of [...sums, 'ties', 'tsv']) {
      for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
        expect(await failure(merge(id, base, { one, two: broken(two, value) }))).toBe(
          `norm.weight of two ${advice}`,
        );
      }
      expect(await failure(merge(id, broken(base, Number.POSITIVE_INFINITY), { one, two }))).toBe(
        `norm.weight of the base ${advice}`,
      );
    }
    const merged = await merge(
      'ties',
      base,
      { one, two: broken(two, Number.NaN) },
      { heads: ['norm.weight'] },
    );
    expect(merged.content.tensors.get('norm.weight')!.data).toEqual(base.get('norm.weight')!.data);
  });

  it('names what would not be finite in the dtype, and leaves nothing', async () => {
    const large = (value: number) => change(base, 'norm.weight', { data: new Float32Array(14).fill(value) });
    const folder = fresh();
    const paths = [await write(`${folder}/a`, large(6e4)), await write(`${folder}/b`, large(7.2e4))];
    const options = {
      base: await write(`${folder}/base`, base),
      models: paths,
      out: at(`${folder}/out.safetensors`),
    };
    const files = readdirSync(at(folder)).sort();
    expect(await failure(mergeFiles({ ...options, merge: mergeMethod('weight_avg'), dtype: 'F16' }))).toMatch(
      /^norm\.weight of the merged model would hold 660\d\d(\.\d+)?, which is no finite number in F16; write a wider/,
    );
    expect(readdirSync(at(folder)).sort()).toEqual(files);
    await mergeFiles({ ...options, merge: mergeMethod('weight_avg'), dtype: 'BF16' });
    await mergeFiles({ ...options, merge: mergeMethod('linear@weights=1:0'), dtype: 'F16' });
  });

  it('sees what only rounding to float32 brings over the range of F16', async () => {
    const filled = (value: number) => change(base, 'norm.weight', { data: new Float32Array(14).fill(value) });
    // 0.003 + 2 * 32759.998046875 is under 65520, and 65520 in float32
    const models = { one: filled(32760.001953125), two: filled(0.003) };
    const message = 'norm.weight of the merged model would hold 65520, which is no finite number in F16';
    const work = merge('task_arithmetic@2', filled(0.003), models, { dtype: 'F16' });
    expect(await failure(work)).toContain(message);
    const precise = change(base, 'norm.weight', {
      dtype: 'F64',
      data: new Float64Array(14).fill(65519.999),
    });
    expect(
      await failure(merge('ties', precise, { one, two }, { dtype: 'F16', heads: ['norm.weight'] })),
    ).toContain('no finite number in F16');
  });

  it('refuses references of another base, and too little in common', async () => {
    const folder = fresh();
    const other = randomBase('F32', 'other');
    const origin = await write(`${folder}/other`, other);
    const model = await write(`${folder}/tuned`, fineTuned(other, 'x'));
    const reference = at(`${folder}/reference.safetensors`);
    await makeReferenceFile({ base: origin, model, out: reference, threads: 1 });
    const models = [await write(`${folder}/one`, one), reference];
    const out = at(`${folder}/out.safetensors`);
    const all = { base: await write(`${folder}/base`, base), models, out, merge: mergeMethod('ties') };
    expect(await failure(mergeFiles(all))).toMatch(
      /reference was made from another base \([0-9a-f]{12} there/,
    );
    const strange = renamed(two, (name) => `encoder.${name}`);
    expect(await failure(merge('ties', base, { one, strange }))).toContain('at least 50 % must');
  });

  it('is stopped by its signal, wherever it is, and leaves nothing', async () => {
    for (const id of ['weight_avg', 'ties', 'tsv']) {
      for (const share of [0, 0.5, 0.9]) {
        const folder = fresh();
        const models = [await write(`${folder}/one`, one), await write(`${folder}/two`, two)];
        const origin = await write(`${folder}/base`, base);
        const files = readdirSync(at(folder)).sort();
        const controller = new AbortController();
        const stopped = new Error('stopped');
        const merging = mergeFiles({
          base: origin,
          models,
          merge: mergeMethod(id),
          out: at(`${folder}/out.safetensors`),
          signal: controller.signal,
          onProgress: (done, total) => {
            if (done >= share * total) controller.abort(stopped);
          },
        });
        await expect(merging, `${id} ${share}`).rejects.toBe(stopped);
        expect(readdirSync(at(folder)).sort()).toEqual(files);
      }
    }
  });
});

describe('writeModel', () => {
  it('writes an adapter, a reference or a part of the way as a checkpoint', async () => {
    const folder = fresh();
    const origin = await write(`${folder}/base`, base);
    const tuned = await write(`${folder}/one`, one);
    const from = inMemory(base);
    const tau = taskVector(from, inMemory(one));
    const half = await writeModel({
      base: origin,
      model: tuned,
      scale: 0.5,
      out: at(`${folder}/half.safetensors`),
    });
    const sorted = (tensors: NamedTensors) => new Map([...tensors].sort(([a], [b]) => (a < b ? -1 : 1)));
    expect(await readCheckpoint(half.out)).toEqual(sorted(applyTau(from, tau, 0.5)));
    const reference = at(`${folder}/reference.safetensors`);
    await makeReferenceFile({ base: origin, model: tuned, out: reference, threads: 1 });
    const whole = await writeModel({
      base: origin,
      model: reference,
      out: at(`${folder}/whole.safetensors`),
    });
    expect(await readCheckpoint(whole.out)).toEqual(sorted(applyTau(from, tau)));
    const made = adapter(base, { rank: 2, modules: ['layers.0.up'] }, 'lora');
    const lora = await writeAdapter(`${folder}/lora`, made);
    const { out } = await writeModel({ base: origin, model: lora, out: at(`${folder}/lora.safetensors`) });
    for (const [name, { data }] of await readCheckpoint(out)) {
      const delta = made.tau.get(name)!.data;
      data.forEach((value, i) => {
        expect(Math.abs(value - (from.get(name)!.data[i]! + delta[i]!))).toBeLessThan(1e-6);
      });
      if (name !== 'layers.0.up.weight') expect(data).toEqual(from.get(name)!.data);
    }
  });
});

// a mount of its own needs user namespaces, which not every machine grants
const MOUNTS = spawnSync('unshare', ['-Urm', 'true']).status === 0;

describe.skipIf(!MOUNTS)('a disk that is full (skipped where no disk can be mounted)', () => {
  it('is an error that says how much room is needed, and nothing is left', async () => {
    const folder = fresh();
    const wide: Tensors = new Map([['w', tensor([200, 500], new Random('wide'))]]);
    const origin = await write(`${folder}/base`, wide);
    const models = [
      await write(`${folder}/a`, fineTuned(wide, 'a')),
      await write(`${folder}/b`, fineTuned(wide, 'b')),
    ];
    const small = at(`${folder}/small`);
    const program = `mkdir "$1" && mount -t tmpfs -o size=64k tmpfs "$1" && shift && "$@"; code=$?; ls -A "${small}"; exit $code`;
    const command = ['src/cli/index.ts', 'merge', '--method', 'weight_avg', '--base', origin, ...models];
    const { status, stderr, stdout } = spawnSync(
      'unshare',
      [
        '-Urm',
        'sh',
        '-c',
        program,
        'sh',
        small,
        process.execPath,
        '--import',
        'tsx',
        ...command,
        '--out',
        `${small}/m.safetensors`,
      ],
      { encoding: 'utf8' },
    );
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^mergeguard: ".+m\.safetensors" can't be written: ENOSPC: .*; it takes 0\.4 MB: make room there, or write it elsewhere\n$/,
    );
  });
});
