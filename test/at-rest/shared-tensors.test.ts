import { describe, expect, it } from 'vitest';
import { type Comparison, compareAll, compareWith, makeReferenceFile } from '../../src/at-rest/index.js';
import { MergeguardError, Random, type TensorInput } from '../../src/tensors/index.js';
import {
  adapter,
  disk,
  expectMetrics,
  fineTuned,
  randomBase,
  renamed,
  slowMetrics,
  type Tensors,
  tauOf,
  tensor,
} from './models-on-disk.js';

const { at, write, writeAdapter } = disk();
const base = randomBase();
let count = 0;

/** Writes base and models into a folder of their own and compares all pairs. */
async function compare(
  origin: Tensors,
  models: Record<string, Tensors>,
  heads: string[] = [],
): Promise<Comparison> {
  const folder = `case ${count++}`;
  const paths: string[] = [];
  for (const [name, model] of Object.entries(models)) {
    paths.push(await write(`${folder}/${name}`, model));
  }
  return compareAll(paths, { base: await write(`${folder}/base`, origin), threads: 1, heads });
}

const messageOf = async (run: Promise<unknown>): Promise<string> => {
  const error = await run.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(MergeguardError);
  return (error as Error).message;
};

const with_ = (tensors: Tensors, changes: Record<string, TensorInput>): Tensors =>
  new Map([...tensors, ...Object.entries(changes)]);
const without = (tensors: Tensors, ...names: string[]): Tensors =>
  new Map([...tensors].filter(([name]) => !names.includes(name)));
const reasonsOf = ({ coverage }: Comparison) =>
  Object.fromEntries(coverage.excluded.map(({ name, reason }) => [name, reason]));

const [one, other] = [fineTuned(base, 1), fineTuned(base, 2)];
const plain = slowMetrics(tauOf(base, one), tauOf(base, other));

describe('what is compared', () => {
  it.each<[string, (name: string) => string]>([
    ['module.', (name) => `module.${name}`],
    ['_orig_mod.', (name) => `_orig_mod.${name}`],
    ['base_model.model.', (name) => `base_model.model.${name}`],
    ['a wrapper further in', (name) => name.replace('layers.0', 'layers.0._fsdp_wrapped_module')],
  ])('is matched through %s on either side', async (_, wrap) => {
    for (const [origin, models] of [
      [base, { one: renamed(one, wrap), other }],
      [renamed(base, wrap), { one, other: renamed(other, wrap) }],
    ] as [Tensors, Record<string, Tensors>][]) {
      const found = await compare(origin, models);
      expect(found.coverage).toMatchObject({ matched: 6, total: 6, parameters: 1 });
      expectMetrics(found.pairs[0]!.metrics, plain, 1e-5);
    }
  });

  it('leaves out what is no parameter, what is not everywhere and what has another shape, and says why', async () => {
    const ids = { shape: [3], data: BigInt64Array.of(1n, 2n, 3n) };
    const mean = tensor([14], new Random(1));
    const extras = { 'position.ids': ids, 'bn.running_mean': mean };
    const found = await compare(
      with_(base, { ...extras, 'base.only': mean, 'late.weight': tensor([2, 3], new Random(2)) }),
      {
        one: with_(one, { ...extras, 'norm.wieght': mean, 'late.weight': tensor([2, 3], new Random(3)) }),
        other: with_(other, { ...extras, 'late.weight': tensor([4, 3], new Random(3)), classifier: mean }),
      },
    );
    expect(reasonsOf(found)).toEqual({
      'position.ids': 'I64, not a parameter',
      'bn.running_mean': 'running statistic, not a parameter',
      'base.only': 'not in one, other',
      'late.weight': '[4, 3] in other, [2, 3] in the base',
      'norm.wieght': 'in one, not in the base (nearest there: norm.weight)',
      classifier: 'in other, not in the base',
    });
    expect(found.coverage).toMatchObject({ matched: 6, total: 12, parameters: 1252 / (1252 + 14 + 6) });
    expectMetrics(found.pairs[0]!.metrics, plain, 1e-5);
  });

  it('leaves out heads by name, exactly or by the first part', async () => {
    const found = await compare(base, { one, other }, ['norm.weight', 'layers.0.up']);
    expect(reasonsOf(found)).toEqual({ 'norm.weight': 'task head', 'layers.0.up.weight': 'task head' });
    const kept = (tensors: Tensors) => without(tensors, 'norm.weight', 'layers.0.up.weight');
    const expected = slowMetrics(tauOf(kept(base), one), tauOf(kept(base), other));
    expectMetrics(found.pairs[0]!.metrics, expected, 1e-5);
  });

  it('refuses heads that nothing is called like, the first part of a name not being half a word', async () => {
    const comparing = compare(base, { one, other }, ['norm.weight', 'embe', 'classifier']);
    await expect(comparing).rejects.toThrow(
      /these heads can not be left out:\n {2}- no tensor is called "embe"; nearest there: embed\n {2}- no tensor is called "classifier"$/,
    );
  });

  it('counts tied matrices once, and equal vectors or matrices tied in one model only twice', async () => {
    const tie = (tensors: Tensors) => with_(tensors, { 'lm_head.weight': tensors.get('embed.weight')! });
    const found = await compare(tie(base), { one: tie(one), other: tie(other) });
    expect(reasonsOf(found)).toEqual({ 'lm_head.weight': 'tied to embed.weight, counted once' });
    expect(found.coverage).toMatchObject({ matched: 6, total: 7, parameters: 1 });
    expectMetrics(found.pairs[0]!.metrics, plain, 1e-5);
    const untied = with_(other, { 'lm_head.weight': tensor([20, 14], new Random('untied')) });
    const apart = await compare(tie(base), { one: tie(one), other: untied });
    expect(reasonsOf(apart)).toEqual({});
    const expected = slowMetrics(tauOf(tie(base), tie(one)), tauOf(tie(base), untied));
    expectMetrics(apart.pairs[0]!.metrics, expected, 1e-5);
    const twins = (tensors: Tensors) => with_(tensors, { 'norm2.weight': tensors.get('norm.weight')! });
    expect(reasonsOf(await compare(twins(base), { one: twins(one), other: twins(other) }))).toEqual({});
  });

  it('has frozen tensors in it: they count as not moved', async () => {
    const freeze = (tensors: Tensors) => with_(tensors, { 'embed.weight': base.get('embed.weight')! });
    const found = await compare(base, { one: freeze(one), other });
    const expected = slowMetrics(tauOf(base, freeze(one)), tauOf(base, other));
    expectMetrics(found.pairs[0]!.metrics, expected, 1e-5);
    expect(found.coverage.matched).toBe(6);
  });
});

describe('models that have no numbers', () => {
  it('that are the base have distance and dot product, the rest with a reason', async () => {
    const found = await compare(base, { one, same: base });
    const { metrics } = found.pairs[0]!;
    expectMetrics(metrics, slowMetrics(tauOf(base, one), tauOf(base, base)), 1e-5);
    expect(metrics.task_vector_cosine_similarity).toEqual({
      value: null,
      reason: "the norm of the reference's task vector is 0: under 1e-8",
    });
    expect(metrics.subspace_overlap).toEqual({
      value: null,
      reason: 'no 2-D tensor was moved from the base by both models',
    });
    expect(found.notes).toEqual(['same is the base, unchanged: it has no task vector to compare']);
  });

  it.each([Number.NaN, Infinity])('that hold a %s spoil their own pairs only', async (bad) => {
    const broken = new Map(one);
    const { shape, data } = one.get('layers.0.up.weight')!;
    const values = Float32Array.from(data as Float32Array);
    values[17] = bad;
    broken.set('layers.0.up.weight', { shape, data: values });
    const third = fineTuned(base, 3);
    const found = await compare(base, { broken, other, third });
    const [first, second, sound] = found.pairs;
    expectMetrics(sound!.metrics, slowMetrics(tauOf(base, other), tauOf(base, third)), 1e-5);
    for (const { metrics } of [first!, second!]) {
      for (const [name, what] of [
        [
          'task_vector_l2_distance',
          'the task vector numbers of layers.0.up.weight are missing or not finite',
        ],
        [
          'right_subspace_overlap_top_k',
          'the subspace overlaps of layers.0.up.weight are missing or not finite',
        ],
        ['singular_value_overlap', 'the singular values of layers.0.up.weight are missing or not finite'],
      ] as const) {
        expect(metrics[name]).toEqual({ value: null, reason: what });
      }
    }
    expect(found.notes).toEqual([
      expect.stringMatching(/^broken minus the base is NaN or infinite in layers.0.up/),
    ]);
  });

  it('that are adapters with a NaN spoil their own pairs only', async () => {
    const origin = await write('nan/base', base);
    const make = (seed: string) => adapter(base, { rank: 2, modules: ['layers.0.up', 'embed'] }, seed);
    const [sound, broken, third] = [make('sound'), make('broken'), make('third')];
    const bad = broken.tensors.get('base_model.model.embed.lora_B.weight')!;
    (bad.data as Float32Array)[3] = Number.NaN;
    const paths = [
      await writeAdapter('nan/sound', sound),
      await writeAdapter('nan/broken', broken),
      await writeAdapter('nan/third', third),
    ];
    const { pairs } = await compareAll(paths, { base: origin, threads: 1 });
    const reason = 'the task vector numbers of embed.weight are missing or not finite';
    expect(pairs[0]!.metrics.task_vector_dot_product).toEqual({ value: null, reason });
    expect(pairs[2]!.metrics.task_vector_dot_product).toEqual({ value: null, reason });
    expectMetrics(pairs[1]!.metrics, slowMetrics(sound.tau, third.tau, 2), 1e-5, [
      'subspace_overlap',
      'stable_rank',
    ]);
  });
});

describe('models that do not belong together', () => {
  it('match too little: an error with how much, and the nearest names', async () => {
    const rename = (name: string) => (name.startsWith('layers') ? name.replace('layers', 'layer') : name);
    const message = await messageOf(compare(base, { one: renamed(one, rename), other }));
    expect(message).toMatch(
      /^only 30\.7 % of the parameters of the base .* match in one, other, at least 50 % must/,
    );
    expect(message).toMatch(/one alone matches 30\.7 %/);
    expect(message).not.toMatch(/other alone/);
    expect(message).toContain(
      'layer.0.up.weight: in one, not in the base (nearest there: layers.0.up.weight)',
    );
    const prefixed = await messageOf(compare(base, { one: renamed(one, (name) => `model.${name}`), other }));
    expect(prefixed).toContain('model.norm.weight: in one, not in the base (nearest there: norm.weight)');
  });

  it('are references of another base: an error with both hashes', async () => {
    const [here, there] = [
      await write('bases/here', base),
      await write('bases/there', randomBase('F32', 'there')),
    ];
    const model = await write('bases/one', one);
    const made: string[] = [];
    const hashes: string[] = [];
    for (const [name, origin] of [
      ['a', here],
      ['b', there],
      ['c', here],
    ] as const) {
      const out = at(`bases/references/${name}.safetensors`);
      await write(`bases/references/${name}`, new Map());
      const { description } = await makeReferenceFile({ base: origin, model, out, name, threads: 1 });
      made.push(out);
      hashes.push(description.baseHash.slice(0, 12));
    }
    expect(hashes[0]).toBe(hashes[2]);
    const against = (origin: string | null) =>
      messageOf(compareWith(made[0]!, made.slice(1), { base: origin, threads: 1 }));
    expect(await against(null)).toContain(`a was made from the base ${hashes[0]}, b from ${hashes[1]}`);
    const message = await against(here);
    expect(message).toContain(`b was made from another base (${hashes[1]} there, ${hashes[0]} here)`);
    expect(message).not.toMatch(/[ac] was made from another/);
  });

  it('are an adapter of another base: an error with what it does not fit', async () => {
    const origin = await write('adapters/base', base);
    const wide = with_(base, { 'layers.0.up.weight': tensor([24, 15], new Random(1)) });
    const path = await writeAdapter(
      'adapters/lora',
      adapter(
        renamed(wide, (name) => name.replace('embed', 'embeds')),
        { rank: 2, modules: ['layers.0.up', 'embeds'] },
        1,
      ),
    );
    const message = await messageOf(
      compareWith(path, [await write('adapters/one', one)], { base: origin, threads: 1 }),
    );
    expect(message).toMatch(/^the adapter lora does not fit the base .*trained on it/);
    expect(message).toContain('layers.0.up.weight is [24, 15] there, [24, 14] in the base');
    expect(message).toContain(
      'embeds.weight is [20, 14] there, missing in the base; nearest there: embed.weight',
    );
  });

  it('need their base unless all are references', async () => {
    const path = await write('alone/one', one);
    expect(await messageOf(compareWith(path, [await write('alone/other', other)], { base: null }))).toMatch(
      /one.safetensors, .*other.safetensors: no reference files, so that their base is needed: give it with --base/,
    );
  });
});
