import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { matchesPattern, parsePattern } from '../../src/tensors/adapter-pattern.js';
import {
  type Adapter,
  type Dtype,
  isAdapter,
  MergeguardError,
  openAdapter,
  Random,
  type TensorInput,
  writeSafetensors,
} from '../../src/tensors/index.js';

const MODEL = 'adapter_model.safetensors';
const CONFIG = 'adapter_config.json';
const P = 'base_model.model.';
const Q = 'model.layers.0.self_attn.q_proj';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A tensor of values that differ, the same ones for the same shape and seed. */
function tensor(shape: number[], seed = 1, dtype: Dtype = 'F32'): TensorInput & { data: Float32Array } {
  const random = new Random(seed);
  const size = shape.reduce((product, count) => product * count, 1);
  return { shape, dtype, data: Float32Array.from({ length: size }, () => random.normal()) };
}

/** lora_A [r, in] and lora_B [out, r] of a module. */
function factors(module: string, out: number, rank: number, width: number): [string, TensorInput][] {
  return [
    [`${P}${module}.lora_A.weight`, tensor([rank, width], 1)],
    [`${P}${module}.lora_B.weight`, tensor([out, rank], 2)],
  ];
}

async function write(tensors: [string, TensorInput][], config: object = {}): Promise<void> {
  await writeSafetensors(join(folder, MODEL), new Map(tensors));
  await writeFile(
    join(folder, CONFIG),
    JSON.stringify({ peft_type: 'LORA', r: 2, lora_alpha: 4, ...config }),
  );
}

/** What opening fails with. */
async function failure(): Promise<string> {
  const caught = await openAdapter(folder).then(
    () => null,
    (error: unknown) => error,
  );
  expect(caught).toBeInstanceOf(MergeguardError);
  return (caught as Error).message;
}

/** scale B A [out, in], or its transpose [in, out], one element at a time. */
function slowDelta(b: TensorInput, a: TensorInput, scale: number, flipped: boolean): number[] {
  const [rank, width] = a.shape as [number, number];
  const height = b.shape[0]!;
  const delta: number[] = [];
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      let sum = 0;
      for (let k = 0; k < rank; k++) {
        sum += (b.data[i * rank + k] as number) * (a.data[k * width + j] as number);
      }
      delta[flipped ? j * height + i : i * width + j] = scale * sum;
    }
  }
  return delta;
}

async function multipliedOut(adapter: Adapter, name: string): Promise<number[]> {
  const matrix = adapter.matrices.find((one) => one.name === name)!;
  const [rows, columns] = matrix.shape;
  const { left, right, rank } = await matrix.read();
  expect([left.length, right.length, rank]).toEqual([rows * matrix.rank, matrix.rank * columns, matrix.rank]);
  return slowDelta({ shape: [rows, rank], data: left }, { shape: [rank, columns], data: right }, 1, false);
}

function expectClose(found: number[], expected: number[]): void {
  expect(found.length).toBe(expected.length);
  for (const [at, value] of expected.entries()) {
    expect(found[at]).toBeCloseTo(value, 4);
  }
}

/** name -> [shape, rank, scale]; of factors as `factors` makes them */
async function summary(adapter: Adapter): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const { name, shape, rank, read } of adapter.matrices) {
    const { left } = await read();
    const { data } = tensor([shape[0], rank], 2);
    found[name] = [shape, rank, expect.closeTo(left[0]! / data[0]!, 5)];
  }
  return found;
}

describe('isAdapter', () => {
  it('knows a folder with both files and either file, and nothing else', async () => {
    expect(await isAdapter(folder)).toBe(false);
    expect(await isAdapter(join(folder, 'nothing'))).toBe(false);
    expect(await isAdapter(join(folder, MODEL))).toBe(false);
    await writeFile(join(folder, CONFIG), '{}');
    expect(await isAdapter(folder)).toBe(false);
    await write(factors(Q, 3, 2, 5));
    await writeFile(join(folder, 'model.safetensors'), '');
    expect(await isAdapter(join(folder, 'model.safetensors'))).toBe(false);
    for (const path of [folder, join(folder, MODEL), join(folder, CONFIG)]) {
      expect(await isAdapter(path)).toBe(true);
      const adapter = await openAdapter(path);
      expect(adapter.matrices.map(({ name }) => name)).toEqual([`${Q}.weight`]);
      await adapter.close();
    }
  });
});

describe('openAdapter', () => {
  it('reads factors in the layout of the base, with the scale folded in, whatever the rank and the dtype', async () => {
    const cases = fc.record({
      rank: fc.integer({ min: 1, max: 5 }),
      out: fc.integer({ min: 1, max: 6 }),
      width: fc.integer({ min: 1, max: 6 }),
      alpha: fc.integer({ min: 1, max: 64 }),
      rslora: fc.boolean(),
      kind: fc.constantFrom('linear', 'conv1d', 'embedding'),
      adapterName: fc.constantFrom('', '.default'),
      dtype: fc.constantFrom<Dtype>('F32', 'F16', 'BF16'),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ rank, out, width, alpha, rslora, kind, adapterName, dtype }) => {
        // Values that every dtype holds exactly.
        const eighths = (input: TensorInput) => ({
          ...input,
          data: Float32Array.from(input.data as Float32Array, (value) => Math.round(value * 8) / 8),
        });
        const a = eighths(tensor([rank, width], 1, dtype));
        const b = eighths(tensor([out, rank], 2, dtype));
        const [part, ending] = kind === 'embedding' ? ['lora_embedding_', ''] : ['lora_', '.weight'];
        await write(
          [
            [`${P}x.${part}A${adapterName}${ending}`, a],
            [`${P}x.${part}B${adapterName}${ending}`, b],
          ],
          { r: rank, lora_alpha: alpha, use_rslora: rslora, fan_in_fan_out: kind === 'conv1d' },
        );
        const adapter = await openAdapter(folder);
        const scale = rslora ? alpha / Math.sqrt(rank) : alpha / rank;
        const flipped = kind !== 'linear';
        expect(adapter.matrices).toMatchObject([
          { name: 'x.weight', shape: flipped ? [width, out] : [out, width], rank },
        ]);
        expectClose(await multipliedOut(adapter, 'x.weight'), slowDelta(b, a, scale, flipped));
        await adapter.close();
      }),
      { seed: 7, numRuns: 60 },
    );
  });

  it.each(['linear', 'conv1d'])('is as precise as float64 when asked: %s', async (kind) => {
    const [rank, out, width, alpha] = [3, 5, 4, 16];
    const random = new Random('precise');
    const doubles = (shape: [number, number]): TensorInput => ({
      shape,
      data: Float64Array.from({ length: shape[0] * shape[1] }, () => random.normal()),
    });
    const [a, b, whole] = [doubles([rank, width]), doubles([out, rank]), doubles([7, 2])];
    const flipped = kind === 'conv1d';
    await write(
      [
        [`${P}x.lora_A.weight`, a],
        [`${P}x.lora_B.weight`, b],
        [`${P}head.modules_to_save.weight`, whole],
      ],
      { r: rank, lora_alpha: alpha, use_rslora: true, fan_in_fan_out: flipped },
    );
    const adapter = await openAdapter(folder, true);
    const found = await multipliedOut(adapter, 'x.weight');
    const expected = slowDelta(b, a, alpha / Math.sqrt(rank), flipped);
    expect(found).toHaveLength(out * width);
    for (const [at, value] of expected.entries()) {
      expect(Math.abs(found[at]! - value)).toBeLessThan(1e-12);
    }
    expect(await adapter.whole[0]!.read()).toEqual(whole.data);
    expect(await adapter.whole[0]!.read({ start: 3, count: 4 })).toEqual(whole.data.slice(3, 7));
    await adapter.close();
  });

  it('takes rank and alpha of a module from the first pattern that its name ends with', async () => {
    const modules = [
      'model.layers.0.q_proj',
      'model.layers.1.q_proj',
      'model.layers.1.my_q_proj',
      'v_proj',
      'up',
    ];
    const ranks = [3, 4, 2, 1, 2];
    await write(
      modules.flatMap((module, at) => factors(module, 6, ranks[at]!, 5)),
      {
        rank_pattern: { 'layers.1.q_proj': 4, q_proj: 3, 'v_.*': 1 },
        alpha_pattern: { '^model\\.layers\\.1\\.q_proj': 16, 'v_proj|up': 5 },
        base_model_name_or_path: 'gpt',
        some_option_of_tomorrow: { a: 1 },
      },
    );
    const adapter = await openAdapter(folder);
    expect(adapter.baseModel).toBe('gpt');
    expect(await summary(adapter)).toEqual({
      'model.layers.0.q_proj.weight': [[6, 5], 3, 4 / 3],
      'model.layers.1.q_proj.weight': [[6, 5], 4, 4],
      'model.layers.1.my_q_proj.weight': [[6, 5], 2, 2],
      'v_proj.weight': [[6, 5], 1, 5],
      'up.weight': [[6, 5], 2, 2.5],
    });
    await adapter.close();
  });

  it("has PEFT's defaults where the config is silent or null", async () => {
    await writeSafetensors(join(folder, MODEL), new Map(factors('q', 9, 8, 9)));
    const nulls = { peft_type: 'LORA', fan_in_fan_out: null, rank_pattern: null, use_dora: false };
    await writeFile(
      join(folder, CONFIG),
      JSON.stringify({ ...nulls, layer_replication: [], use_bdlora: null }),
    );
    const adapter = await openAdapter(folder);
    expect(await summary(adapter)).toEqual({ 'q.weight': [[9, 9], 8, 1] });
    expect(adapter.baseModel).toBeNull();
    await adapter.close();
  });

  it('hands out what is stored whole under the name that it has in the base', async () => {
    const value = tensor([3]);
    await write([
      ...factors(Q, 3, 2, 5),
      [`${P}${Q}.base_layer.bias`, value],
      [`${P}classifier.weight`, tensor([2, 3], 5)],
      [`${P}score.modules_to_save.default.out.weight`, tensor([2, 2])],
      [`${P}last.modules_to_save.bias`, tensor([2])],
      [`${P}norm.base_layer.weight`, value],
      [`${P}lora_head.weight`, value],
    ]);
    const adapter = await openAdapter(folder);
    expect(Object.fromEntries(adapter.whole.map(({ name, shape }) => [name, shape]))).toEqual({
      [`${Q}.bias`]: [3],
      'classifier.weight': [2, 3],
      'score.out.weight': [2, 2],
      'last.bias': [2],
      'norm.weight': [3],
      'lora_head.weight': [3],
    });
    const classifier = adapter.whole.find(({ name }) => name === 'classifier.weight')!;
    const values = tensor([2, 3], 5).data;
    expect(await classifier.read()).toEqual(values);
    for (let start = 0; start <= 6; start++) {
      for (let count = 0; start + count <= 6; count++) {
        expect(await classifier.read({ start, count })).toEqual(values.slice(start, start + count));
      }
    }
    expect(adapter.skipped).toEqual([]);
    await adapter.close();
  });

  it('skips convolutions, single rows, deltas of biases, buffers and copies of the base, and says so', async () => {
    await write([
      [`${P}conv.lora_A.weight`, tensor([2, 3, 3, 3])],
      [`${P}conv.lora_B.weight`, tensor([4, 2, 1, 1])],
      [`${P}wte.lora_embedding_A`, tensor([2, 7])],
      [`${P}wte.lora_embedding_B`, tensor([5, 2])],
      [`${P}wte.base_layer.weight`, tensor([7, 5])],
      [`${P}head.original_module.weight`, tensor([3])],
      [`${P}head.modules_to_save.default.weight`, tensor([3])],
      [`${P}head.modules_to_save.bias`, tensor([3])],
      [`${P}head.bias`, tensor([3])],
      [`${P}tokens.token_adapter.trainable_tokens_delta`, tensor([2, 5])],
      [`${P}wte.lora_B.bias`, tensor([5])],
      [`${P}norm.num_batches_tracked`, { shape: [1], data: BigInt64Array.of(3n) }],
    ]);
    const adapter = await openAdapter(folder);
    expect(adapter.matrices.map(({ name }) => name)).toEqual(['wte.weight']);
    expect(adapter.whole.map(({ name }) => name).sort()).toEqual(['head.bias', 'head.weight']);
    const skipped = adapter.skipped
      .map(({ name, reason, lost }) => `${lost ? 'lost ' : ''}${name}: ${reason}`)
      .sort();
    expect(skipped).toEqual([
      `head.bias: "${P}head.modules_to_save.bias" repeats "${P}head.bias"`,
      expect.stringMatching(/^head.original_module.weight: .*the base's own values/),
      expect.stringMatching(/^lost conv.weight: .*convolution/),
      expect.stringMatching(/^lost norm.num_batches_tracked: .*I64/),
      expect.stringMatching(/^lost tokens.weight: .*single rows \(trainable_token_indices\)/),
      expect.stringMatching(/^lost wte.bias: .*lora_bias/),
      expect.stringMatching(/^wte.weight: .*the base's own values/),
    ]);
    await adapter.close();
  });

  it('lists every factor without its other half, of another rank or of an integer dtype', async () => {
    await write(
      [
        [`${P}a.lora_A.weight`, tensor([2, 3])],
        [`${P}b.lora_embedding_B`, tensor([3, 2])],
        [`${P}c.lora_A.weight`, tensor([2, 3])],
        [`${P}c.lora_B.weight`, tensor([3, 4])],
        [`${P}d.lora_A.weight`, { shape: [2, 1], data: Int8Array.of(1, 2) }],
        [`${P}d.lora_B.weight`, tensor([3, 2])],
        ...factors('e', 3, 4, 3),
        ...factors('model.f', 3, 5, 3),
        [`${P}f.lora_A.default.weight`, tensor([2, 3])],
        [`${P}f.lora_A.other.weight`, tensor([2, 3])],
        [`${P}f.lora_B.default.weight`, tensor([3, 2])],
        [`${P}head.weight`, { shape: [1], data: Int32Array.of(1) }],
        [`${P}score.modules_to_save.one.weight`, tensor([1])],
        [`${P}score.modules_to_save.two.weight`, tensor([1])],
        [`${P}attn.base_layer.out_proj.lora_A.weight`, tensor([2, 3])],
      ],
      { rank_pattern: { f: 6 } },
    );
    const message = await failure();
    for (const text of [
      `"${P}a.lora_A.weight" is there without the lora_B`,
      `"${P}b.lora_embedding_B" is there without the lora_A`,
      `"${P}c.lora_A.weight" is [2, 3] and "${P}c.lora_B.weight" [3, 4]; they should be [rank, in] and [out, rank]`,
      `"${P}d.lora_A.weight" is of dtype I8`,
      `"${P}e.lora_A.weight" is [4, 3] and "${P}e.lora_B.weight" [3, 4], of rank 4; the config says 2 ("r")`,
      `of rank 5; the config says 6 ("rank_pattern", "f")`,
      `"${P}f.lora_A.default.weight" and "${P}f.lora_A.other.weight" are both for "f.weight"`,
      `"${P}head.weight" is of dtype I32`,
      `are both "score.weight"`,
      `"${P}attn.base_layer.out_proj.lora_A.weight" is inside a module that is adapted itself`,
      'save_pretrained()',
    ]) {
      expect(message).toContain(text);
    }
  });

  it('refuses DoRA by its config and by its tensors, and names the way out', async () => {
    await write(factors(Q, 3, 2, 5), { use_dora: true });
    expect(await failure()).toMatch(/merge_and_unload\(\)[\s\S]*"use_dora" is true: .*norms of the base/);
    for (const ending of ['', '.default', '.default.weight']) {
      await write([...factors(Q, 3, 2, 5), [`${P}${Q}.lora_magnitude_vector${ending}`, tensor([3])]]);
      expect(await failure()).toMatch(/lora_magnitude_vector.*base's norms\).*merge_and_unload\(\)/);
    }
    await write([...factors(Q, 3, 2, 5), [`${P}${Q}.lora_diag.default`, tensor([2])]]);
    expect(await failure()).toMatch(/lora_diag.default" is no part of plain LoRA/);
  });

  it('refuses other types of PEFT, variants of LoRA and initializations that change the base', async () => {
    await write(factors(Q, 3, 2, 5), { peft_type: 'ADALORA', r: [3], rank_pattern: { q: [true] } });
    expect(await failure()).toMatch(/peft_type "ADALORA"; supported is "LORA" alone.*merge_and_unload/);
    await write(factors(Q, 3, 2, 5), { peft_type: undefined });
    expect(await failure()).toMatch(/peft_type undefined; supported is "LORA"/);
    await write(factors(Q, 3, 2, 5), {
      init_lora_weights: 'pissa_niter_4',
      target_parameters: ['experts.up'],
      layer_replication: [[0, 4]],
    });
    const message = await failure();
    expect(message).toContain('"target_parameters" is ["experts.up"]');
    expect(message).toContain('"layer_replication" is [[0,4]]');
    expect(message).toMatch(/"pissa_niter_4".*path_initial_model_for_weight_conversion/);
  });

  it('lists every bad value of a config, and patterns that are none', async () => {
    await write(factors(Q, 3, 2, 5), { r: 0, lora_alpha: 'big', use_rslora: 1 });
    expect(await failure()).toMatch(/- r: [\s\S]*- lora_alpha: [\s\S]*- use_rslora: /);
    await write(factors(Q, 3, 2, 5), { rank_pattern: { '(': 3 }, alpha_pattern: { 'q\\Z': 3 } });
    expect(await failure()).toMatch(/rank_pattern: "\("[\s\S]*alpha_pattern: "q\\Z"/);
    await writeFile(join(folder, CONFIG), '[]');
    expect(await failure()).toMatch(/not a JSON object/);
    await writeFile(join(folder, CONFIG), '{');
    expect(await failure()).toMatch(/can't be read/);
  });

  it.each([
    '(([a-z])+.?)+!',
    '(a+)+!',
    '(a|b)*',
    '(a|b){2}',
    '((a|b)|c)',
    '(a|b)?',
    'a+',
    'a*b',
    '(?=a).*',
    '(?!a).*',
    '(a)\\1',
    '\\w+',
    '[^a]+',
    'a{2,}',
    '.*?',
    '[',
    '(a',
    'a)',
    'a(+|b)',
    `${'layers.1|'.repeat(300)}q`,
  ])('refuses the pattern %s, however long the name that it would be tried on', async (pattern) => {
    await write(factors('a'.repeat(60), 3, 2, 5), { rank_pattern: { [pattern]: 2 } });
    expect(await failure()).toContain(`rank_pattern: "${pattern}" is not a regular expression that is read`);
    await write(factors('a'.repeat(60), 3, 2, 5), { alpha_pattern: { [pattern]: 2 } });
    expect(await failure()).toMatch(/alpha_pattern: .*write the names out/);
  });

  it('matches patterns as a regular expression does', () => {
    const part = fc.constantFrom('a', '0', '12', '.', '\\.', '.*', '.+', '\\d+', '\\d', '[0-9]+', '[a-c]*');
    const sequence = fc.array(part, { maxLength: 4 }).map((parts) => parts.join(''));
    const ways = fc.array(sequence, { minLength: 1, maxLength: 3 }).map((each) => each.join('|'));
    const group = ways.chain((inside) => fc.constantFrom(`(${inside})`, `(?:${inside})`, `(^${inside}$)`));
    const element = fc.oneof(sequence, group, fc.constantFrom('^', '$', '|'));
    const key = fc.array(element, { maxLength: 5 }).map((parts) => parts.join(''));
    const name = fc
      .array(fc.constantFrom('a', 'b', '0', '12', '.', '🦙'), { maxLength: 8 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(key, name, (pattern, module) => {
        const parsed = parsePattern(pattern);
        expect(parsed, pattern).not.toBeNull();
        expect(matchesPattern(parsed!, module)).toBe(new RegExp(`^(.*\\.)?(${pattern})$`, 'u').test(module));
      }),
      { seed: 3, numRuns: 3000 },
    );
  });

  it('matches what a regular expression would go back over without end', () => {
    const parsed = parsePattern(`${'.*a'.repeat(60)}!`)!;
    expect(matchesPattern(parsed, 'a.'.repeat(500))).toBe(false);
    expect(matchesPattern(parsed, `${'a.'.repeat(500)}!`)).toBe(false);
    expect(matchesPattern(parsed, `${'a.'.repeat(500)}a!`)).toBe(true);
  });

  it('says which file is missing, and that an adapter holds nothing', async () => {
    await expect(openAdapter(join(folder, 'nothing'))).rejects.toThrow(/nothing" can't be opened/);
    await writeFile(join(folder, CONFIG), '{}');
    expect(await failure()).toMatch(/holds no adapter_model.safetensors;.*safe_serialization=True/);
    await write([]);
    expect(await failure()).toMatch(/it holds no lora_A, lora_B or other weights \(of 0 tensors\)/);
  });
});
