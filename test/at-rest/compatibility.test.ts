import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHECKS, checkModelFiles } from '../../src/at-rest/compatibility/index.js';
import { MOST_BYTES } from '../../src/at-rest/compatibility/read-file.js';
import { findingsOf, LLAMA, modelFolders, QWEN } from './model-files.js';

const write = modelFolders();
const TOKENIZER = { 'tokenizer.json': { model: { vocab: { a: 0, b: 1 } } } };
const MOVED = { 'tokenizer.json': { model: { vocab: { a: 1, b: 0 } } } };
const QUANTIZED = { ...LLAMA, quantization_config: { quant_method: 'awq' } };

describe('checkModelFiles', () => {
  it('says which model, which check and how bad it is, errors first and then in the order of the models', async () => {
    const base = { name: 'llama', path: await write('base', { 'config.json': LLAMA, ...TOKENIZER }) };
    const small = {
      name: 'half',
      path: await write('half', { 'config.json': { ...LLAMA, torch_dtype: 'float16', rope_theta: 1 } }),
    };
    const other = { name: 'qwen', path: await write('qwen', { 'config.json': QWEN, ...MOVED }) };
    const same = { name: 'same', path: await write('same', { 'config.json': LLAMA, ...TOKENIZER }) };
    const findings = await checkModelFiles(base, [small, other, same]);
    expect(findings.map(({ severity, model, check }) => `${severity} ${model} ${check}`)).toEqual([
      'error qwen model_type',
      'error qwen layer_shapes',
      'error qwen vocabulary',
      'error qwen vocabulary',
      'warning half rope',
      'warning qwen rope',
      'warning qwen special_tokens',
      'info half dtype',
    ]);
    for (const finding of findings) {
      expect(Object.keys(finding).sort()).toEqual(['check', 'model', 'severity', 'text']);
      expect(finding.text).toContain(finding.model);
    }
  });

  it('takes a checkpoint file, an index and a folder, and looks beside them', async () => {
    const base = await write('base', { 'config.json': LLAMA });
    const model = await write('model', {
      'config.json': { ...LLAMA, rope_theta: 1 },
      'a.safetensors': '',
      'model.safetensors.index.json': '{}',
    });
    for (const file of ['', 'a.safetensors', 'model.safetensors.index.json']) {
      const findings = await checkModelFiles({ name: 'base', path: base }, [
        { name: 'model', path: join(model, file) },
      ]);
      expect(findings.map(({ check }) => check)).toEqual(['rope']);
    }
  });

  it('looks beside a link to a file, not beside the file', async () => {
    const base = await write('base', { 'config.json': LLAMA });
    const blobs = await write('blobs', { '1f3a': '' });
    const snapshot = await write('snapshot', { 'config.json': { ...LLAMA, rope_theta: 1 } });
    await symlink(join(blobs, '1f3a'), join(snapshot, 'model.safetensors'));
    const path = join(snapshot, 'model.safetensors');
    const findings = await checkModelFiles({ name: 'base', path: base }, [{ name: 'model', path }]);
    expect(findings.map(({ check }) => check)).toEqual(['rope']);
  });

  it('has nothing to compare among checkpoints in one folder, by whatever way it is reached', async () => {
    const files = { 'base.safetensors': '', 'a.safetensors': '', 'config.json': QUANTIZED };
    const folder = await write('all', files);
    const link = join(dirname(folder), 'link');
    await symlink(folder, link);
    const base = { name: 'base', path: join(folder, 'base.safetensors') };
    const findings = await checkModelFiles(base, [
      { name: 'a', path: join(folder, 'a.safetensors') },
      { name: 'b', path: join(link, 'a.safetensors') },
    ]);
    // What they share is of no use to any of them; once is enough.
    expect(findings.map(({ model, check }) => `${model} ${check}`)).toEqual(['base quantization']);
  });

  it('compares every checkpoint of one folder with a base elsewhere', async () => {
    const base = { name: 'base', path: await write('base', { 'config.json': LLAMA }) };
    const files = { 'a.safetensors': '', 'b.safetensors': '', 'config.json': { ...LLAMA, rope_theta: 1 } };
    const folder = await write('run', files);
    const models = ['a', 'b'].map((name) => ({ name, path: join(folder, `${name}.safetensors`) }));
    const findings = await checkModelFiles(base, models);
    expect(findings.map(({ model, check }) => `${model} ${check}`)).toEqual(['a rope', 'b rope']);
  });

  it('finds nothing where there are no files, or no such path', async () => {
    expect(await findingsOf(write, { 'config.json': LLAMA }, {})).toEqual([]);
    expect(await findingsOf(write, {}, { 'config.json': LLAMA })).toEqual([]);
    const base = { name: 'base', path: await write('base', { 'config.json': QUANTIZED }) };
    const nowhere = { name: 'nowhere', path: join(base.path, 'nowhere') };
    expect((await checkModelFiles(base, [nowhere])).map(({ model }) => model)).toEqual(['base']);
    expect(await checkModelFiles(nowhere, [base])).toEqual([]);
  });

  it('compares the tokenizer of an adapter, which has no configuration of a model', async () => {
    const adapter = { 'adapter_config.json': { peft_type: 'LORA', r: 16 }, ...MOVED };
    const findings = await findingsOf(write, { 'config.json': LLAMA, ...TOKENIZER }, adapter);
    expect(findings.map(({ severity, check }) => `${severity} ${check}`)).toEqual(['error vocabulary']);
  });

  it('finds quantised weights of the base too', async () => {
    const findings = await findingsOf(write, { 'config.json': QUANTIZED }, { 'config.json': LLAMA });
    expect(findings).toEqual([
      {
        severity: 'error',
        check: 'quantization',
        model: 'origin',
        text: expect.stringContaining('quantization_config of awq is set in origin'),
      },
    ]);
  });
});

describe('a broken file', () => {
  it.each([
    'config.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    'added_tokens.json',
    'vocab.json',
    'chat_template.json',
  ])('%s is a warning that names it, and the rest is compared', async (file) => {
    const rest = { ...(file === 'config.json' ? MOVED : { 'config.json': { ...LLAMA, rope_theta: 1 } }) };
    const findings = await findingsOf(
      write,
      { 'config.json': LLAMA, ...TOKENIZER },
      { ...rest, [file]: '{"a": 1,\n' },
    );
    const [broken, ...others] = findings.filter(({ check }) => check === 'files');
    expect(broken).toMatchObject({ severity: 'warning', model: 'tuned' });
    expect(broken.text).toMatch(/config|token|vocab|chat/);
    expect(broken.text).toContain(`${file}" is not compared: it is not JSON (`);
    expect(others).toEqual([]);
    expect(findings.map(({ check }) => check)).toContain(file === 'config.json' ? 'vocabulary' : 'rope');
  });

  it('of the base is told once, by its name', async () => {
    const findings = await findingsOf(write, { 'config.json': '[1]' }, { 'config.json': LLAMA });
    expect(findings).toEqual([
      {
        severity: 'warning',
        check: 'files',
        model: 'origin',
        text: expect.stringContaining('config.json" is not compared: it holds no JSON object'),
      },
    ]);
  });

  it('may be a folder, or too large', async () => {
    const base = { name: 'base', path: await write('base', {}) };
    const path = await write('model', {});
    await mkdir(join(path, 'config.json'));
    await writeFile(join(path, 'tokenizer.json'), '{');
    await truncate(join(path, 'tokenizer.json'), MOST_BYTES + 1);
    const findings = await checkModelFiles(base, [{ name: 'model', path }]);
    expect(findings.map(({ check, text }) => `${check}: ${text}`)).toEqual([
      expect.stringMatching(/^files: .*config\.json" is not compared: it can't be read \(it is a folder/),
      expect.stringMatching(
        /^files: .*tokenizer\.json" is not compared: it has 134217729 bytes, more than 134217728/,
      ),
    ]);
  });

  it('is not one that Python wrote with NaN and Infinity', async () => {
    const config = (theta: number, note: string) =>
      `{"time_step_limit": [0.0, Infinity], "low": -Infinity, "x": NaN, "note": ${JSON.stringify(note)}, "rope_theta": ${theta}}`;
    const note = 'a "NaN" \\';
    const findings = await findingsOf(
      write,
      { 'config.json': config(1, note) },
      { 'config.json': config(2, note) },
    );
    expect(findings.map(({ check }) => check)).toEqual(['rope']);
  });
});

describe('a string that never ends', () => {
  it.each([
    ['quotes that are escaped', '\\"'.repeat(2 ** 19)],
    ['an escape as the last', `${'\\"'.repeat(2 ** 19)}\\`],
    ['bare words', '\\"NaN'.repeat(2 ** 17)],
  ])('is found in one pass: %s', async (_, rest) => {
    const findings = await findingsOf(write, { 'config.json': LLAMA }, { 'config.json': `{"a": "${rest}` });
    expect(findings).toEqual([
      {
        severity: 'warning',
        check: 'files',
        model: 'tuned',
        text: expect.stringContaining('config.json" is not compared: it is not JSON ('),
      },
    ]);
  });
});

describe('keys that every object has', () => {
  it('are those of the file only', async () => {
    const text = (theta: number) =>
      `{"__proto__": {"hidden_size": ${theta}, "vocab_size": ${theta}}, "constructor": ${theta}, "rope_theta": ${theta}}`;
    const findings = await findingsOf(write, { 'config.json': text(1) }, { 'config.json': text(2) });
    expect(findings.map(({ check, text }) => `${check}: ${text}`)).toEqual([
      expect.stringContaining('rope: rope_theta is 2 in tuned, 1 in the base'),
    ]);
    expect({}).not.toHaveProperty('hidden_size');
  });
});

/** JSON with the keys that the checks look for, and whatever values. */
function anyConfig(): fc.Arbitrary<object> {
  const keys = [
    ...Object.keys(LLAMA),
    ...Object.keys(QWEN),
    'rope_parameters',
    'n_embd',
    'text_config',
    'dtype',
  ];
  keys.push(
    'vision_config',
    'eos_token',
    'pad_token',
    'chat_template',
    'added_tokens_decoder',
    '__proto__',
    'model',
  );
  const nested = fc.dictionary(fc.constantFrom(...keys), fc.jsonValue(), { maxKeys: 8 });
  return fc.dictionary(fc.constantFrom(...keys), fc.oneof(fc.jsonValue(), nested, fc.array(nested)));
}

describe('every check', () => {
  it('finds nothing between a model and its copy, whatever its files hold', async () => {
    const property = fc.asyncProperty(anyConfig(), anyConfig(), async (config, tokenizer) => {
      const files = {
        'config.json': config,
        'tokenizer_config.json': tokenizer,
        'tokenizer.json': tokenizer,
      };
      expect(await findingsOf(write, files, files)).toEqual([]);
    });
    await fc.assert(property, { numRuns: 200 });
  });

  it('throws nothing between any two models, and finds as much the other way round', async () => {
    const property = fc.asyncProperty(anyConfig(), anyConfig(), async (a, b) => {
      const [one, other] = [
        { 'config.json': a, 'tokenizer_config.json': b },
        { 'config.json': b, 'tokenizer_config.json': a },
      ];
      const there = await findingsOf(write, one, other);
      const back = await findingsOf(write, other, one);
      expect(back.map(({ check }) => check)).toEqual(there.map(({ check }) => check));
    });
    await fc.assert(property, { numRuns: 200 });
  });

  it('has an id of its own and says what it reads and means', () => {
    expect(CHECKS.map(({ id }) => id)).toEqual([
      'model_type',
      'quantization',
      'layer_shapes',
      'vocabulary',
      'rope',
      'special_tokens',
      'chat_template',
      'tied_embeddings',
      'dtype',
    ]);
    for (const { reads, meaning } of CHECKS) {
      expect(reads).toMatch(/\.json/);
      expect(meaning).toMatch(/^[A-Z].*\.$/);
    }
  });
});
