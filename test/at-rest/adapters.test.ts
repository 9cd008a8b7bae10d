import { describe, expect, it } from 'vitest';
import { compareAll, compareWith, makeReferenceFile } from '../../src/at-rest/index.js';
import { NamedCheckpoint } from '../../src/at-rest/named-checkpoint.js';
import { openModels } from '../../src/at-rest/open-models.js';
import { readReference } from '../../src/reference/index.js';
import { Random, type TensorInput } from '../../src/tensors/index.js';
import {
  adapter,
  disk,
  expectMetrics,
  fineTuned,
  merged,
  randomBase,
  slowMetrics,
  type Tensors,
  tauOf,
  tensor,
} from './models-on-disk.js';

const { at, write, writeAdapter } = disk();
const random = new Random('adapters');
const P = 'base_model.model.';
const base: Tensors = new Map([...randomBase(), ['layers.0.up.bias', tensor([24], random)]]);
let count = 0;

const without = (tensors: Tensors, name: string): Tensors =>
  new Map([...tensors].filter(([key]) => key !== name));

describe('what an adapter moves by tensors that are not read', () => {
  const kinds: [string, string, Record<string, TensorInput>, string][] = [
    [
      'factors of a convolution',
      'conv.weight',
      {
        'conv.lora_A.weight': tensor([2, 2, 3, 3], random),
        'conv.lora_B.weight': tensor([5, 2, 1, 1], random),
      },
      `"${P}conv.lora_A.weight" is a factor of a convolution, which is not read`,
    ],
    [
      'a delta of a bias',
      'layers.0.up.bias',
      { 'layers.0.up.lora_B.bias': tensor([24], random) },
      `"${P}layers.0.up.lora_B.bias" (lora_bias) is a delta of a bias, which is not read`,
    ],
    [
      'single rows of an embedding',
      'embed.weight',
      { 'embed.token_adapter.trainable_tokens_delta': tensor([2, 14], random) },
      `"${P}embed.token_adapter.trainable_tokens_delta" replaces single rows (trainable_token_indices), which are not read`,
    ],
    [
      'single rows of an embedding that has factors too',
      'embed.weight',
      {
        'embed.token_adapter.trainable_tokens_delta.default': tensor([2, 14], random),
        'embed.lora_embedding_A': tensor([2, 20], random),
        'embed.lora_embedding_B': tensor([14, 2], random),
        'embed.token_adapter.base_layer.weight': base.get('embed.weight')!,
      },
      `"${P}embed.token_adapter.trainable_tokens_delta.default" replaces single rows (trainable_token_indices), which are not read`,
    ],
  ];

  async function written(extra: Record<string, TensorInput>) {
    const folder = `case ${count++}`;
    const lora = adapter(base, { rank: 2, modules: ['layers.0.up', 'layers.0.mix'] }, 1);
    for (const [key, value] of Object.entries(extra)) lora.tensors.set(`${P}${key}`, value);
    return {
      origin: await write(`${folder}/base`, base),
      path: await writeAdapter(`${folder}/lora`, lora),
      out: at(`${folder}/out.safetensors`),
      tau: lora.tau,
    };
  }

  it.each(kinds)('is left out of a comparison, with the reason: %s', async (_, name, extra, reason) => {
    const { origin, path, tau } = await written(extra);
    const other = fineTuned(base, 2);
    const otherPath = await write(`case ${count++}/other`, other);
    const expected = slowMetrics(
      new Map([...tau].filter(([key]) => key !== name)),
      tauOf(without(base, name), other),
      2,
    );
    for (const found of [
      await compareAll([path, otherPath], { base: origin, threads: 1 }),
      await compareWith(path, [otherPath], { base: origin, threads: 1 }),
    ]) {
      const { matched, excluded, parameters } = found.coverage;
      expect(excluded.find((each) => each.name === name)).toEqual({ name, reason: `in lora: ${reason}` });
      expect(matched).toBe(base.size - 1);
      expect(parameters).toBeLessThan(1);
      expect(found.pairs[0]!.statistics.tensors.map((each) => each.name)).not.toContain(name);
      expectMetrics(found.pairs[0]!.metrics, expected, 1e-5, [
        'task_vector_dot_product',
        'task_vector_l2_distance',
        'task_vector_cosine_similarity',
      ]);
    }
  });

  it.each(kinds)('is not in a reference: %s', async (_, name, extra, reason) => {
    const { origin, path, out } = await written(extra);
    const { coverage } = await makeReferenceFile({ base: origin, model: path, out, threads: 1 });
    const { tensors, factors, tau } = await readReference(out);
    expect(tensors.map((each) => each.name)).not.toContain(name);
    expect(tensors).toHaveLength(base.size - 1);
    expect([...factors.keys(), ...tau.keys()]).not.toContain(name);
    expect(coverage.excluded.find((each) => each.name === name)?.reason).toBe(`in lora: ${reason}`);
  });

  it('is not what repeats another or holds the values of the base', async () => {
    const { origin, path, tau } = await written({
      'layers.0.up.base_layer.weight': base.get('layers.0.up.weight')!,
      'norm.original_module.weight': base.get('norm.weight')!,
      'norm.modules_to_save.weight': base.get('norm.weight')!,
      'norm.weight': base.get('norm.weight')!,
      'embed.token_adapter.base_layer.weight': base.get('embed.weight')!,
      'embed.token_adapter.trainable_tokens_original': tensor([2, 14], random),
    });
    const other = fineTuned(base, 2);
    const found = await compareAll([path, await write(`case ${count++}/other`, other)], {
      base: origin,
      threads: 1,
    });
    expect(found.coverage).toMatchObject({ matched: base.size, parameters: 1 });
    expectMetrics(found.pairs[0]!.metrics, slowMetrics(tau, tauOf(base, other), 2), 1e-5, [
      'task_vector_dot_product',
      'task_vector_l2_distance',
    ]);
  });
});

describe('an adapter of float64 values', () => {
  const doubles = new Map([...base].map(([name, { shape }]) => [name, tensor([...shape], random, 1, 'F64')]));
  const [rank, alpha, module] = [3, 16, 'layers.0.mix'];
  const a = tensor([rank, 14], random, 1, 'F64');
  const b = tensor([14, rank], random, 0.1, 'F64');
  const embed = tensor([20, 14], random, 1, 'F64');
  const tensors: Tensors = new Map([
    [`${P}${module}.lora_A.weight`, a],
    [`${P}${module}.lora_B.weight`, b],
    [`${P}embed.modules_to_save.weight`, embed],
  ]);
  const lora = {
    tensors,
    config: { peft_type: 'LORA', r: rank, lora_alpha: alpha, use_rslora: true },
  };
  const tau = new Map(
    [...tauOf(doubles, doubles)].map(([name, { shape, data }]) => [
      name,
      { shape, data: Float64Array.from(data) },
    ]),
  );
  const delta = tau.get(`${module}.weight`)!.data;
  for (let i = 0; i < delta.length; i++) {
    const [row, column] = [Math.floor(i / 14), i % 14];
    for (let r = 0; r < rank; r++) {
      delta[i]! +=
        (Number(b.data[row * rank + r]) * Number(a.data[r * 14 + column]) * alpha) / Math.sqrt(rank);
    }
  }
  tau.get('embed.weight')!.data.forEach((_, i, values) => {
    values[i] = Number(embed.data[i]) - Number(doubles.get('embed.weight')!.data[i]);
  });

  it('is compared to nine digits when asked, with a checkpoint and with another', async () => {
    const origin = await write('precise/base', doubles);
    const other = new Map(
      [...doubles].map(([name, { shape, data }]) => {
        const moved = Float64Array.from(data as Float64Array, (value) => value + 0.1 * random.normal());
        return [name, { shape, data: moved }];
      }),
    );
    const paths = [await writeAdapter('precise/lora', lora), await write('precise/other', other)];
    const found = await compareAll(paths, { base: origin, threads: 1, precise: true });
    const names = ['task_vector_dot_product', 'task_vector_l2_distance', 'task_vector_cosine_similarity'];
    expectMetrics(found.pairs[0]!.metrics, slowMetrics(tau, tauOf(doubles, other), rank), 1e-9, names);
    const whole = await write('precise/merged', merged(doubles, tau));
    const same = await compareAll([paths[0]!, whole], { base: origin, threads: 1, precise: true });
    expectMetrics(same.pairs[0]!.metrics, slowMetrics(tau, tau), 1e-9, names);
  });

  it.each([true, false])(
    'has stretches of its whole tensors as they are in the whole, precise: %s',
    async (precise) => {
      const path = await writeAdapter('stretches/lora', lora);
      const origin = await NamedCheckpoint.open(await write('stretches/base', doubles), precise);
      const [model] = await openModels([{ name: 'lora', path }], origin, precise);
      const name = 'embed.weight';
      const all = await model!.tau(name, undefined, () => origin.read(name));
      expect(all).toHaveLength(280);
      all.forEach((value, i) => {
        expect(Math.abs(value - tau.get(name)!.data[i]!)).toBeLessThan(precise ? 1e-12 : 1e-5);
      });
      for (let start = 0; start < 280; start += 33) {
        const range = { start, count: Math.min(33, 280 - start) };
        const found = await model!.tau(name, range, () => origin.read(name, range));
        expect(found).toEqual(all.slice(start, start + range.count));
      }
      await model!.close();
      await origin.close();
    },
  );
});
