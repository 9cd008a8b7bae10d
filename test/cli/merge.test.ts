import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { mergeFiles } from '../../src/at-rest/index.js';
import { mergeCommand } from '../../src/cli/merge.js';
import { mergeMethod } from '../../src/merging/index.js';
import { parseSafetensors, Random, writeSafetensors } from '../../src/tensors/index.js';
import { LLAMA } from '../at-rest/model-files.js';
import { adapter, disk, fineTuned, randomBase, type Tensors } from '../at-rest/models-on-disk.js';
import { collectLines, killAll, run, start } from './program.js';
import { helpOf, refusal, withoutProgress } from './usage.js';

afterAll(killAll);

const { at, write, writeAdapter, writeModels } = disk();
const base = randomBase();

const models = (folder: string, ...names: string[]) => writeModels(folder, base, names);

// each is a process of its own that loads everything first
describe.concurrent('mergeguard merge', () => {
  it('writes the merged model and the same merge for mergekit, and says what it did', async ({ expect }) => {
    const { base: origin, paths } = await models('two', 'one', 'two');
    const out = at('two/merged.safetensors');
    const args = ['--method', 'ties', '--param', 'density=0.3', '--param', 'trim=tensor', '--base', origin];
    const { code, out: said, err } = await run('merge', ...args, ...paths, '--out', out);
    expect(code).toBe(0);
    expect(withoutProgress(err)).toMatch(
      new RegExp(`^wrote ${out}, 5\\.\\d kB, after \\d+ s\nwrote ${at('two/merged.mergekit.yaml')}\n$`),
    );
    expect(said).toMatch(
      /^ties@density=0\.3@trim=tensor of one, two\n6 of 6 tensors of the base merged, 100\.0 % of the parameters, in F32\nmergekit: /,
    );
    const again = await mergeFiles({
      base: origin,
      models: paths,
      merge: mergeMethod('ties@density=0.3@trim=tensor'),
      out: at('two/again.safetensors'),
    });
    expect(readFileSync(out)).toEqual(readFileSync(again.out));
    expect(parse(readFileSync(at('two/merged.mergekit.yaml'), 'utf8'))).toMatchObject({
      merge_method: 'ties',
      base_model: origin,
      models: paths.map((model) => ({ model, parameters: { density: 0.3, weight: 1 } })),
      out_dtype: 'float32',
    });
  });

  it('prints one JSON object, findings on standard error, adapters and folders as mergekit calls them', async ({
    expect,
  }) => {
    await write('hub/origin/model', base);
    writeFileSync(at('hub/origin/config.json'), JSON.stringify(LLAMA));
    await write('hub/one/model', fineTuned(base, 'one'));
    writeFileSync(at('hub/one/config.json'), JSON.stringify({ ...LLAMA, rope_theta: 10000 }));
    const lora = await writeAdapter('hub/lora', adapter(base, { rank: 2, modules: ['layers.0.up'] }, 'lora'));
    const [origin, one, out] = [at('hub/origin'), at('hub/one'), at('hub/merged.safetensors')];
    const {
      code,
      out: said,
      err,
    } = await run(
      'merge',
      '--json',
      '--method',
      'linear@weights=0.25:0.75',
      '--dtype',
      'BF16',
      '--base',
      origin,
      '--out',
      out,
      `${one}/model.safetensors`,
      lora,
    );
    expect([code, said.split('\n').length]).toEqual([0, 2]);
    expect(err).toMatch(/^(error|warning): .*rope/m);
    const report = JSON.parse(said);
    expect(report).toMatchObject({
      merge: 'linear@weights=0.25:0.75',
      method: 'linear',
      parameters: { weights: [0.25, 0.75], normalise: true },
      out,
      models: [{ kind: 'checkpoint' }, { name: 'lora', kind: 'adapter', path: lora }],
      merged: 6,
      share: 1,
      copied: [],
      dtypes: ['BF16'],
      mergekit: { notes: expect.any(Array) },
    });
    expect(report.findings).not.toEqual([]);
    expect(parseSafetensors(readFileSync(out)).tensors.get('norm.weight')!.dtype).toBe('BF16');
    const config = parse(readFileSync(at('hub/merged.mergekit.yaml'), 'utf8'));
    expect(config.models.map(({ model }: { model: string }) => model)).toEqual([one, `${origin}+${lora}`]);
    expect(config.out_dtype).toBe('bfloat16');
  });

  it('says so where mergekit has no such method, and leaves no file of another merge there', async ({
    expect,
  }) => {
    const { base: origin, paths } = await models('tsv', 'one', 'two', 'three');
    const out = at('tsv/merged.safetensors');
    writeFileSync(at('tsv/merged.mergekit.yaml'), 'of another merge');
    const args = ['merge', '--method', 'tsv', '--base', origin, ...paths, '--out', out];
    expect((await run(...args)).err).toBe(
      `mergeguard: ${at('tsv/merged.mergekit.yaml')} is there already; --force overwrites it\n`,
    );
    const { code, out: said } = await run(...args, '--force');
    expect(code).toBe(0);
    expect(said).toContain('\nno mergekit file: mergekit has no method that does what tsv does\n');
    expect(existsSync(at('tsv/merged.mergekit.yaml'))).toBe(false);
  });

  it('refuses what can not be merged before anything is read or lost', async ({ expect }) => {
    const { base: origin, paths } = await models('refused', 'one', 'two', 'three');
    const before = paths.map((path) => readFileSync(path));
    const files = readdirSync(at('refused')).sort();
    const args = ['merge', '--no-mergekit', '--base', origin, '--method'];
    const out = at('refused/out.safetensors');
    expect((await run(...args, 'slerp', ...paths, '--out', out)).err).toBe(
      'mergeguard: slerp merges exactly 2 models here, got 3\n',
    );
    expect((await run(...args, 'ties', paths[0]!, '--out', out)).err).toMatch(
      /merges at least 2 models here, got 1/,
    );
    // a folder stands for its models: also for the one that would be overwritten
    const inside = await run(...args, 'ties', at('refused'), '--out', paths[2]!, '--force');
    expect(inside.err).toBe(
      `mergeguard: ${paths[2]} can not be written: it is read as ${paths[2]}; choose another name\n`,
    );
    expect((await run(...args, 'ties', ...paths, '--out', origin, '--force')).err).toContain('it is read as');
    const nowhere = await run(...args, 'ties', ...paths, '--out', at('refused/no/m.safetensors'));
    expect(nowhere.err).toMatch(/there is no folder .*; make it first\n$/);
    expect(paths.map((path) => readFileSync(path))).toEqual(before);
    expect(readdirSync(at('refused')).sort()).toEqual(files);
  });
});

describe('the usage of merge', () => {
  const NAME = 'merge <models..>';

  it('is documented with every option', async () => {
    const help = await helpOf(NAME, mergeCommand);
    for (const option of [
      'base',
      'method',
      'param',
      'out',
      'dtype',
      'coefficient',
      'search-coefficient',
      'evaluate',
      'tasks',
      'time-limit-seconds',
      'mergekit',
      'force',
      'heads',
      'threads',
      'json',
    ]) {
      expect(help).toMatch(new RegExp(`--${option} +[A-Z]`));
    }
  });

  it.each([
    ['', 'Not enough non-option arguments: got 0, need at least 1'],
    ['a b', 'Missing required arguments: base, method, out'],
    ['a b --base x --method ties --out ""', '--out must not be empty'],
    ['a b --base x --method ties --out m --threads 0', '--threads must be a whole number from 1'],
    [
      'a b --base x --method ties --out m --param density',
      '--param "density" must be NAME=VALUE, as in --param density=0.2',
    ],
    [
      'a b --base x --method ties --out m --param density=0.2@coefficient=1',
      '--param "density=0.2@coefficient=1" must be NAME=VALUE, as in --param density=0.2',
    ],
    ['a b --base x --method ties --out m --coefficient x', '--coefficient must be a number from 0 to 10'],
    ['a b --base x --method ties --out m --coefficient -1', '--coefficient must be a number from 0 to 10'],
    ['a b --base x --method ties --out m --tasks a', '--tasks is for --search-coefficient: give that too'],
    [
      'a b --base x --method ties --out m --search-coefficient --tasks a',
      '--search-coefficient needs --evaluate COMMAND and --tasks A,B',
    ],
    [
      'a b --base x --method ties --out m --search-coefficient --coefficient 1 --tasks a --evaluate b',
      'give --coefficient or --search-coefficient, not both',
    ],
    [
      'a b --base x --method ties --out m --search-coefficient --tasks a,a --evaluate b',
      '--tasks must be different names separated by commas',
    ],
    [
      'a b --base x --method ties --out m --search-coefficient --tasks a --evaluate {task}{chekpoint}',
      '--evaluate: {chekpoint} is not known in the evaluation command; did you mean {checkpoint}?',
    ],
    [
      'a b --base x --method ties --out m --search-coefficient --tasks a --evaluate {task}{checkpoint} --time-limit-seconds 0',
      '--time-limit-seconds must be a number above 0, at most 2000000',
    ],
  ])('is refused for "%s"', async (line, message) => {
    expect(await refusal(NAME, mergeCommand, line)).toBe(message);
  });

  it.each([
    [
      'tie',
      [],
      /^unknown merge method "tie"; did you mean ties\? Known are weight_avg, task_arithmetic, ties, /,
    ],
    ['ties', ['densty=0.2'], /has no parameter "densty"; did you mean density\?/],
    ['ties', ['density=x'], /density "x" is not a number/],
    ['ties', ['density=2'], /density = 2: /],
    ['ties@density=0.1', ['density=0.2'], /density is set twice/],
    ['linear', ['weights=1:x'], /weights "1:x" is not a list of numbers/],
  ])('is refused for --method %s with %j', async (method, params, message) => {
    const given = params.map((param) => ` --param ${param}`).join('');
    expect(await refusal(NAME, mergeCommand, `a b --base x --out m --method ${method}${given}`)).toMatch(
      message,
    );
  });
});

describe('a long merge', () => {
  it('tells how far it is, and stops on SIGTERM with 143 and no file behind', async () => {
    const folder = at('long');
    mkdirSync(folder);
    const random = new Random('long');
    const size = 512;
    for (const name of ['base', 'a', 'b']) {
      const layer = Float32Array.from({ length: size * size }, () => random.normal());
      const tensors: Tensors = new Map();
      for (let i = 0; i < 24; i++) {
        const data = layer.map((value, j) => value + layer[(j * (2 * i + 1)) % layer.length]!);
        tensors.set(`layers.${i}.weight`, { shape: [size, size], data });
      }
      await writeSafetensors(at(`long/${name}.safetensors`), tensors);
    }
    const files = readdirSync(folder).sort();
    const out = at('long/merged.safetensors');
    const [origin, ...paths] = ['base', 'a', 'b'].map((name) => at(`long/${name}.safetensors`)) as [
      string,
      ...string[],
    ];
    const { child, closed } = start(
      'merge',
      '--method',
      'tsv',
      '--threads',
      '1',
      '--base',
      origin,
      ...paths,
      '--out',
      out,
    );
    const { lines, until } = collectLines(child.stderr);
    expect(await until((line) => line.includes(' %: '))).toMatch(
      /^ {2}\d+ %: \d+\.\d of 6\.3 M parameters, .+ left$/,
    );
    child.kill('SIGTERM');
    expect(await closed).toEqual([143, null]);
    expect(lines.at(-1)).toBe(`mergeguard: stopped by SIGTERM; ${out} was not written`);
    expect(readdirSync(folder).sort()).toEqual(files);
  });
});
