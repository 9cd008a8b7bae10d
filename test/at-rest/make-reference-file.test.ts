import { readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { type MakeReferenceFileOptions, makeReferenceFile } from '../../src/at-rest/index.js';
import { NamedCheckpoint } from '../../src/at-rest/named-checkpoint.js';
import { makeReference, readReference } from '../../src/reference/index.js';
import {
  identityOrder,
  MergeguardError,
  type NamedTensors,
  Random,
  type TensorInput,
} from '../../src/tensors/index.js';
import { adapter, disk, fineTuned, randomBase, renamed, type Tensors, tensor } from './models-on-disk.js';

const { at, write, writeAdapter, writeShards } = disk();
const base = randomBase();
const model = fineTuned(base, 1);
const head = new Map([['head.weight', tensor([3, 14], new Random('head'))]]);
let count = 0;

async function make(
  origin: Tensors,
  tuned: Tensors | string,
  options: Partial<MakeReferenceFileOptions> = {},
) {
  const folder = `made ${count++}`;
  const made = await makeReferenceFile({
    base: await write(`${folder}/base`, origin),
    model: typeof tuned === 'string' ? tuned : await write(`${folder}/eurosat`, tuned),
    out: at(`${folder}/out.safetensors`),
    threads: 1,
    ...options,
  });
  return { ...made, out: options.out ?? at(`${folder}/out.safetensors`) };
}

/** As they are in memory, in the order in which a file lists them. */
function inMemory(tensors: Tensors): NamedTensors {
  return new Map(
    identityOrder(tensors.keys()).map((name) => {
      const { shape, data } = tensors.get(name)!;
      return [name, { shape, data: Float32Array.from(data as Float32Array) }];
    }),
  );
}

const failure = async (run: Promise<unknown>): Promise<string> => {
  const error = await run.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(MergeguardError);
  return (error as Error).message;
};

function changed(tensors: Tensors, name: string, change: (data: Float32Array) => void): Tensors {
  const { shape, data } = tensors.get(name)!;
  const copy = Float32Array.from(data as Float32Array);
  change(copy);
  return new Map([...tensors, [name, { shape, data: copy }]]);
}

describe('makeReferenceFile', () => {
  it('equals makeReference on the same models, part by part', async () => {
    const frozen = new Map([...model, ['embed.weight', base.get('embed.weight')!]]);
    const expected = makeReference({
      name: 'eurosat',
      base: inMemory(base),
      model: inMemory(frozen),
      head: inMemory(head),
      madeBy: { kind: 'checkpoint', dtype: 'F32', by: 'a test' },
    });
    const { out, description, coverage, limits } = await make(base, new Map([...frozen, ...head]), {
      madeBy: { by: 'a test' },
    });
    const found = await readReference(out);
    expect(found).toEqual(expected);
    expect(description).toMatchObject({ name: 'eurosat', baseHash: expected.baseHash });
    expect(coverage).toMatchObject({ matched: 6, total: 7, parameters: 1 });
    expect(limits).toContain('1 of 4 matrices were not changed: subspace metrics leave them out');
    expect(limits).not.toContainEqual(expect.stringMatching(/^no head/));
    expect(await readdir(dirname(out))).toEqual([
      'base.safetensors',
      'eurosat.safetensors',
      'out.safetensors',
    ]);
  });

  it('takes shards and other names, and says what the names were', async () => {
    const folder = await writeShards(
      'shards/eurosat',
      renamed(model, (name) => `module.${name}`),
    );
    const { out } = await make(
      renamed(base, (name) => `_orig_mod.${name}`),
      folder,
      { name: 'satellites' },
    );
    const found = await readReference(out);
    const expected = makeReference({ name: 'satellites', base: inMemory(base), model: inMemory(model) });
    const tensorMap = Object.fromEntries([...base.keys()].map((name) => [name, `_orig_mod.${name}`]));
    expect(found).toEqual({ ...expected, tensorMap, madeBy: { kind: 'checkpoint', dtype: 'F32' } });
  });

  it('keeps the names of compared tensors only', async () => {
    const ids = { shape: [1], data: Int32Array.of(1) };
    const wrap = (tensors: Tensors) =>
      renamed(new Map([...tensors, ['ids', ids]]), (name) => `module.${name}`);
    const { description } = await make(wrap(base), wrap(model), { heads: ['norm'] });
    expect(Object.keys(description.tensorMap).sort()).toEqual(
      [...base.keys()].filter((name) => name !== 'norm.weight').sort(),
    );
  });

  it('computes every task vector twice, of matrices and others', async () => {
    // Tied tensors and the base's hash are read by themselves: what is read whole of the model makes task vectors.
    const whole: string[] = [];
    const read = NamedCheckpoint.prototype.read;
    const spy = vi.spyOn(NamedCheckpoint.prototype, 'read').mockImplementation(function (
      this: NamedCheckpoint,
      name,
      range,
    ) {
      if (range === undefined && this.path.includes('eurosat')) whole.push(name);
      return read.call(this, name, range);
    });
    try {
      await make(base, model);
    } finally {
      spy.mockRestore();
    }
    expect(whole.sort()).toEqual([...base.keys()].flatMap((name) => [name, name]).sort());
  });

  it('takes half the space for the task vector as float16', async () => {
    const [wide, narrow] = [await make(base, model), await make(base, model, { dtype: 'F16' })];
    const bytes = 2 * [...base.values()].reduce((sum, { data }) => sum + data.length, 0);
    const saved = (await stat(wide.out)).size - (await stat(narrow.out)).size;
    expect(Math.abs(saved - bytes)).toBeLessThan(64);
    const [whole, half] = [await readReference(wide.out), await readReference(narrow.out)];
    expect({ ...half, tau: null, madeBy: null }).toEqual({ ...whole, tau: null, madeBy: null });
    for (const [name, { data }] of whole.tau) {
      half.tau.get(name)!.data.forEach((value, i) => {
        expect(Math.abs(value - data[i]!)).toBeLessThanOrEqual(Math.abs(data[i]!) * 2 ** -11 + 2 ** -25);
      });
    }
  });

  it('refuses float16 for task vectors that are too small for it, and writes nothing', async () => {
    const near = fineTuned(base, 'near', 1e-7);
    const message = await failure(make(base, near, { dtype: 'F16', out: at('too-small.safetensors') }));
    expect(message).toMatch(/^the reference eurosat can't be made:/);
    for (const name of base.keys()) {
      expect(message).toMatch(
        new RegExp(
          `tau ${name} would be off by \\S+ % as float16, at most 1 % .*: write it as F32 \\(--dtype F32\\)`,
        ),
      );
    }
    expect(await readdir(at('.'))).not.toContain('too-small.safetensors');
    await make(base, near);
  });

  it('keeps an adapter as factors, and whole tensors as task vectors', async () => {
    const whole = new Map([['norm.weight', model.get('norm.weight')!]]);
    const lora = adapter(base, { rank: 3, modules: ['layers.0.down'], whole }, 'lora');
    const { out, limits } = await make(base, await writeAdapter('adapters/lora', lora));
    const found = await readReference(out);
    expect(found.madeBy).toEqual({ kind: 'adapter', dtype: 'F32' });
    expect(found.head).toBeNull();
    expect([...found.tau.keys()]).toEqual(['norm.weight']);
    expect([...found.factors.keys()]).toEqual(['layers.0.down.weight']);
    const { left, right } = found.factors.get('layers.0.down.weight')!;
    const dense = lora.tau.get('layers.0.down.weight')!.data;
    for (let i = 0; i < 14; i++) {
      for (let j = 0; j < 24; j++) {
        let sum = 0;
        for (let r = 0; r < 3; r++) sum += left.data[3 * i + r]! * right.data[24 * r + j]!;
        expect(sum).toBeCloseTo(dense[24 * i + j]!, 5);
      }
    }
    const squares = (values: ArrayLike<number>) => Array.from(values).reduce((sum, x) => sum + x * x, 0);
    found.tensors.forEach(({ name }, t) => {
      expect(found.norms[t]).toBeCloseTo(squares(lora.tau.get(name)!.data), 4);
    });
    expect(found.subspaces.get('layers.0.down.weight')).toMatchObject({ k: 3 });
    expect(found.spectra.get('layers.0.down.weight')).toHaveLength(3);
    expect(found.bottoms.size).toBe(0);
    expect(limits).toContainEqual(
      expect.stringMatching(/^no bottom subspace \(its task vectors have low rank/),
    );
  });

  it.each<[string, string[] | undefined, string[]]>([
    ['what is called like one', undefined, ['classifier', 'head.weight']],
    ['what is said to be one', ['extra'], ['extra.bias']],
    ['a shared tensor that is said to be one', ['norm', 'head'], ['head.weight', 'norm.weight']],
  ])('keeps as the head %s', async (_, heads, expected) => {
    const random = new Random('heads');
    const extra: [string, TensorInput][] = [
      ['classifier', tensor([3], random)],
      ['extra.bias', tensor([2], random)],
    ];
    const tuned = new Map([...model, ...head, ...extra]);
    const { out } = await make(base, tuned, heads === undefined ? {} : { heads });
    const found = (await readReference(out)).head!;
    expect([...found.keys()].sort()).toEqual(expected);
    for (const [name, value] of found) {
      expect(value).toEqual({ shape: tuned.get(name)!.shape, data: tuned.get(name)!.data });
    }
  });

  it('keeps no head that is tied to what is shared', async () => {
    const tie = (tensors: Tensors): Tensors =>
      new Map([...tensors, ['lm_head.weight', tensors.get('embed.weight')!]]);
    const { out, coverage } = await make(tie(base), new Map([...tie(model), ...head]));
    expect(coverage.excluded).toContainEqual({
      name: 'lm_head.weight',
      reason: 'tied to embed.weight, counted once',
    });
    // Not in `matched`, but in `parameters`; the other one is the head.
    expect(coverage).toMatchObject({ matched: 6, total: 8, parameters: 1 });
    expect([...(await readReference(out)).head!.keys()]).toEqual(['head.weight']);
    const alone = await make(tie(base), tie(model));
    expect((await readReference(alone.out)).head).toBeNull();
    expect(alone.limits).toContainEqual(expect.stringMatching(/^no head/));
  });

  it('refuses NaN and infinity, listing tensors: of weights, of an adapter, of the head', async () => {
    const bad = changed(
      changed(model, 'norm.weight', (data) => data.fill(Number.NaN, 2, 5)),
      'embed.weight',
      (data) => data.fill(Infinity, 0, 1),
    );
    const message = await failure(make(base, bad));
    expect(message).toContain('embed.weight: 1 of 280 values are NaN or infinite');
    expect(message).toContain('norm.weight: 3 of 14 values are NaN or infinite');
    const broken = new Map([
      ...model,
      ...changed(head, 'head.weight', (data) => data.fill(Number.NaN, 0, 2)),
    ]);
    expect(await failure(make(base, broken))).toContain('head.weight: 2 of 42 values are NaN or infinite');
    const lora = adapter(base, { rank: 2, modules: ['embed'] }, 'nan');
    (lora.tensors.get('base_model.model.embed.lora_A.weight')!.data as Float32Array)[0] = Number.NaN;
    expect(await failure(make(base, await writeAdapter('adapters/nan', lora)))).toContain(
      'embed.weight: 1 of 68 values are NaN or infinite',
    );
  });

  it('refuses a reference, several models, a model of another kind', async () => {
    const { out } = await make(base, model);
    expect(await failure(make(base, out))).toContain('is a reference already');
    expect(await failure(make(base, dirname(out)))).toMatch(/holds 3 models \(.*\); give one of them/);
    expect(await failure(make(base, at('nowhere')))).toContain("can't be opened");
  });

  it('reports progress in parameters', async () => {
    const seen: number[][] = [];
    await make(base, model, { onProgress: (done, total) => void seen.push([done, total]) });
    expect(seen).toHaveLength(6);
    expect(seen.at(-1)).toEqual([1252, 1252]);
  });

  it('keeps calibration samples', async () => {
    const images = { shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
    const labels = { shape: [3], data: Int32Array.of(0, 7, 2) };
    const calibration = await write(
      'samples',
      new Map<string, TensorInput>(Object.entries({ images, labels })),
    );
    const { out, limits } = await make(base, model, { calibration });
    expect((await readReference(out)).calibration).toEqual({ images, labels: labels.data });
    expect(limits).not.toContainEqual(expect.stringMatching(/^no calibration/));
    expect(await failure(make(base, model, { calibration: out }))).toContain('holds no calibration samples');
  });
});
