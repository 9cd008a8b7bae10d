import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import type { MatrixReport } from '../../src/at-rest/index.js';
import { matrixCommand } from '../../src/cli/matrix.js';
import { metricNames } from '../../src/metrics/index.js';
import { Random, writeSafetensors } from '../../src/tensors/index.js';
import { LLAMA } from '../at-rest/model-files.js';
import {
  adapter,
  disk,
  fineTuned,
  randomBase,
  renamed,
  type Tensors,
  tensor,
} from '../at-rest/models-on-disk.js';
import { collectLines, killAll, run, start } from './program.js';
import { helpOf, refusal, withoutProgress } from './usage.js';

afterAll(killAll);

const HINT = '`mergeguard --help` lists commands, `mergeguard COMMAND --help` options.';
const { at, write, writeAdapter, writeModels } = disk();
const base = randomBase();

const models = (folder: string, ...names: string[]) => writeModels(folder, base, names);

/** A folder as Hugging Face writes it. */
async function hubFolder(name: string, tensors: Tensors, config: object): Promise<string> {
  await write(`${name}/model`, tensors);
  writeFileSync(at(`${name}/config.json`), JSON.stringify(config));
  return at(name);
}

// each is a process of its own that loads everything first
describe.concurrent('mergeguard matrix', () => {
  it('prints one line of JSON with every pair and metric, all else on standard error', async ({ expect }) => {
    const origin = await hubFolder('hub/origin', base, LLAMA);
    const one = await hubFolder('hub/one', fineTuned(base, 'one'), { ...LLAMA, vocab_size: 128300 });
    const two = await hubFolder('hub/two', fineTuned(base, 'two'), { ...LLAMA, rope_theta: 10000 });
    const lora = await writeAdapter('hub/lora', adapter(base, { rank: 2, modules: ['layers.0.up'] }, 'lora'));
    const { code, out, err } = await run('matrix', '--base', origin, one, two, lora, '--json');
    expect(code).toBe(0);
    expect(out.split('\n')).toHaveLength(2);
    const report = JSON.parse(out) as MatrixReport;
    expect(Object.keys(report)).toEqual(['pairs', 'coverage', 'findings', 'notes']);
    expect(report.pairs.map(({ a, b }) => `${a} ${b}`)).toEqual(['one two', 'one lora', 'two lora']);
    for (const { metrics, reasons } of report.pairs) {
      expect(Object.keys(metrics)).toEqual([...metricNames]);
      expect(Object.keys(reasons)).toEqual(metricNames.filter((name) => metrics[name] === null));
    }
    expect(report.coverage).toEqual({ matched: 6, total: 6, parameters: 1, excluded: [] });
    // by severity, before anything is read
    expect(err).toMatch(
      /^error: one: vocab_size is 128300 in one, 128256 in the base.*\nwarning: two: rope_theta is 10000/,
    );
    expect(report.findings.map(({ severity, model }) => `${severity} ${model}`)).toEqual([
      'error one',
      'warning two',
    ]);
  });

  it('takes a folder, tells the base and equal stems apart, and writes CSV and SVG', async ({ expect }) => {
    const { base: origin } = await models('pool', 'a', 'b');
    const { paths } = await models('other', 'a');
    const [csv, svg] = [at('pairs.csv'), at('map.svg')];
    const args = ['matrix', '--base', origin, at('pool'), paths[0]!, '--metric', 'effective_rank'];
    const { code, out, err } = await run(...args, '--csv', csv, '--svg', svg);
    expect({ code, err: withoutProgress(err) }).toEqual({ code: 0, err: `wrote ${csv}\nwrote ${svg}\n` });
    expect(out).toMatch(/^6 of 6 tensors compared, 100\.0 % of the parameters\n\neffective_rank:\n/);
    const cell = '( +(·|\\d\\.\\d{3}|–)){3}';
    for (const [name, row] of [
      ['pool/a', 1],
      ['b', 2],
      ['other/a', 3],
    ] as const) {
      expect(out).toMatch(new RegExp(`^(\\[${row}\\] +)?${name}${cell}$`, 'm'));
    }
    const lines = readFileSync(csv, 'utf8').trim().split('\n');
    expect(lines.map((line) => line.split(',').slice(0, 2).join())).toEqual([
      'task_a,task_b',
      'pool/a,b',
      'pool/a,other/a',
      'b,other/a',
    ]);
    expect(readFileSync(svg, 'utf8')).toContain('<title>pool/a and other/a: ');
    const again = await run(...args, '--csv', csv);
    expect(again).toEqual({
      code: 1,
      out: '',
      err: `mergeguard: ${csv} is there already; --force overwrites it\n`,
    });
  });

  it('shows two models with all their metrics, in lines of at most 100 characters', async ({ expect }) => {
    const long = 'a-name-that-is-longer-than-any-column-of-any-table-should-have-to-be';
    const { base: origin, paths } = await models('two', long, 'b');
    writeFileSync(at('two/odd'), '');
    const odd = fineTuned(base, 'odd').set('head.weight', tensor([2, 14], new Random('head')));
    const bell = await write('two/o\u0007dd\u001b[31m', odd);
    const { code, out } = await run('matrix', '--base', origin, '--no-slow', paths[0]!, bell);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^${long} and odd\\[31m\n6 of 7 tensors compared`));
    expect(out).toContain('  left out: head.weight: in odd[31m, not in the base\n');
    expect(out).toMatch(/^task_vector_cosine_similarity +higher +-?\d\.\d+$/m);
    expect(out).toMatch(/bottom_k: left\n? +out, as was asked$/m);
    expect(Math.max(...out.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(100);
    expect(out).not.toMatch(/[^\n\P{Cc}]/u);
  });

  it('says what of a model is broken, unchanged or tied, and goes on', async ({ expect }) => {
    const origin = await write('odd/base', new Map([...base, ['tied.weight', base.get('embed.weight')!]]));
    const tie = (tensors: Tensors) => new Map([...tensors, ['tied.weight', tensors.get('embed.weight')!]]);
    const nan = fineTuned(base, 'nan');
    nan.get('norm.weight')!.data[3] = Number.NaN;
    const paths = [
      await write('odd/nan', tie(nan)),
      await write('odd/same', tie(base)),
      await write(
        'odd/wrapped',
        renamed(tie(fineTuned(base, 'w')), (name) => `module._orig_mod.${name}`),
      ),
    ];
    const { code, out } = await run('matrix', '--base', origin, ...paths, '--json');
    expect(code).toBe(0);
    const { notes, coverage, pairs } = JSON.parse(out) as MatrixReport;
    expect(notes).toEqual([
      'nan minus the base is NaN or infinite in norm.weight: metrics that take every tensor are null',
      'same is the base, unchanged: it has no task vector to compare',
    ]);
    expect(coverage.excluded).toEqual([
      { name: 'tied.weight', reason: 'tied to embed.weight, counted once' },
    ]);
    expect(pairs[0]!.reasons.task_vector_l2_distance).toContain('norm.weight');
    expect(pairs[2]!.reasons.task_vector_cosine_similarity).toContain('is 0');
    expect(pairs[2]!.metrics.task_vector_dot_product).toBe(0);
  });

  it('names everything that is wrong with its models at once', async ({ expect }) => {
    const { base: origin, paths } = await models('bad', 'a', 'truncated');
    const bytes = readFileSync(paths[1]!);
    writeFileSync(paths[1]!, bytes.subarray(0, bytes.length - 9));
    const text = at('bad/text.safetensors');
    writeFileSync(text, 'this is no checkpoint at all');
    mkdirSync(at('bad/empty'));
    mkdirSync(at('bad/torch'));
    writeFileSync(at('bad/torch/pytorch_model.bin'), 'PK');
    const missing = await run(
      'matrix',
      '--base',
      origin,
      paths[0]!,
      paths[0]!,
      at('bad/empty'),
      at('bad/torch'),
      at('bad/no'),
    );
    expect(missing).toMatchObject({ code: 1, out: '' });
    expect(missing.err.split('\n')).toEqual([
      'mergeguard: these models can not be used:',
      expect.stringContaining(
        `  - the folder "${at('bad/empty')}" holds no model: neither model.safetensors nor`,
      ),
      expect.stringMatching(
        /holds "pytorch_model.bin", which is not a safetensors file; save the model again with/,
      ),
      expect.stringContaining(
        `  - the model "${at('bad/no')}" can't be opened: there is no such file or folder`,
      ),
      `  - "${paths[0]}" is given twice`,
      '',
    ]);
    const misfit = adapter(base, { rank: 2, modules: ['layers.0.up'] }, 'misfit');
    const lora = await writeAdapter('bad/lora', {
      ...misfit,
      tensors: renamed(misfit.tensors, (name) => name.replace('up', 'upp')),
    });
    const broken = await run('matrix', '--base', origin, ...paths, text, lora);
    expect(broken).toMatchObject({ code: 1, out: '' });
    expect(broken.err).toContain('mergeguard: these models can not be opened:\n');
    expect(broken.err).toContain(`  - "${paths[1]}" has a header that can't be trusted:\n    - tensor "`);
    expect(broken.err).toContain(`  - "${text}" declares a header of `);
    expect(broken.err).toContain(
      '    - layers.0.upp.weight is [24, 14] there, missing in the base; nearest there: layers.0.up.weight\n',
    );
  });

  it('refuses models of another base, and models without one', async ({ expect }) => {
    const { base: origin, paths } = await models('strange', 'a');
    const blocks = renamed(fineTuned(base, 'b'), (name) =>
      name.replace('layers', 'blocks').replace('embed', 'embedding'),
    );
    const strange = await write('strange/blocks', blocks);
    const { code, err } = await run('matrix', '--base', origin, ...paths, strange);
    expect(code).toBe(1);
    expect(err).toMatch(
      /^mergeguard: only \d+\.\d % of the parameters of the base \S+ match in a, blocks, at least 50 % must;/,
    );
    expect(err).toContain(`  - blocks alone matches `);
    expect(err).toContain(
      '  - blocks.0.up.weight: in blocks, not in the base (nearest there: layers.0.up.weight)\n',
    );
    expect(await run('matrix', ...paths, strange)).toEqual({
      code: 1,
      out: '',
      err: `mergeguard: ${paths[0]}, ${strange}: no reference files, so that their base is needed: give it with --base\n`,
    });
  });

  it('never writes over what it reads, even if it is forced to', async ({ expect }) => {
    const { base: origin, paths } = await models('over', 'a', 'b');
    const before = readFileSync(paths[0]!);
    for (const path of [paths[0]!, origin]) {
      const { code, err } = await run('matrix', '--base', origin, ...paths, '--csv', path, '--force');
      expect({ code, err }).toEqual({
        code: 1,
        err: `mergeguard: ${path} can not be written: it is read as ${path}; choose another name\n`,
      });
    }
    expect(readFileSync(paths[0]!)).toEqual(before);
  });

  it('ends with 2 where its usage is bad, and suggests the metric that was meant', async ({ expect }) => {
    const { code, err } = await run('matrix', 'a', 'b', '--metric', 'effective_rnk');
    expect(code).toBe(2);
    expect(err).toMatch(
      /^mergeguard: --metric "effective_rnk" is unknown; did you mean effective_rank\?\nKnown are task_/,
    );
    // yargs finds this in a place of its own
    const message = 'Not enough arguments following: metric';
    expect(await run('matrix', 'a', 'b', '--metric')).toEqual({
      code: 2,
      out: '',
      err: `mergeguard: ${message}\n${HINT}\n`,
    });
  });
});

describe('the usage of matrix', () => {
  it('is documented with every default', async () => {
    const help = await helpOf('matrix <models..>', matrixCommand);
    for (const option of [
      'base',
      'metric',
      'csv',
      'svg',
      'force',
      'heads',
      'threads',
      'slow',
      'precise',
      'json',
    ]) {
      expect(help).toMatch(new RegExp(`--${option} +[A-Z]`));
    }
    expect(help).toContain('[default: "task_vector_cosine_similarity"]');
  });

  it.each([
    ['', 'Not enough non-option arguments: got 0, need at least 1'],
    ['a ""', 'models must not be empty'],
    ['a b --base ""', '--base must not be empty'],
    ['a b --csv ""', '--csv must not be empty'],
    ['a b --csv x --svg ./x', '--csv and --svg are one file, x'],
    ['a b --heads x,', '--heads must be names separated by commas'],
    ['a b --threads 1 --threads 0', '--threads must be a whole number from 1'],
    ['a b --cvs x', 'Unknown argument: cvs'],
  ])('is refused for "%s"', async (line, message) => {
    expect(await refusal('matrix <models..>', matrixCommand, line)).toBe(message);
  });
});

describe('a long comparison', () => {
  it('tells how far it is, and stops on SIGINT with 130 and no file behind', async () => {
    const folder = at('long');
    mkdirSync(folder);
    const random = new Random('long');
    const size = 512;
    const layer = Float32Array.from({ length: size * size }, () => random.normal());
    for (const [m, name] of ['base', 'a', 'b'].entries()) {
      const tensors: Tensors = new Map();
      for (let i = 0; i < 16; i++) {
        const data = layer.map(
          (value, j) => value * (1 + i) + 0.01 * layer[(j * (2 * m + 1)) % layer.length]! * m,
        );
        tensors.set(`layers.${i}.weight`, { shape: [size, size], data });
      }
      await writeSafetensors(at(`long/${name}.safetensors`), tensors);
    }
    const [csv, svg] = [at('long/pairs.csv'), at('long/map.svg')];
    const paths = ['base', 'a', 'b'].map((name) => at(`long/${name}.safetensors`));
    const { child, closed } = start(
      'matrix',
      '--base',
      ...paths,
      '--precise',
      '--threads',
      '1',
      '--csv',
      csv,
      '--svg',
      svg,
    );
    const { lines, until } = collectLines(child.stderr);
    expect(await until((line) => line.includes(' % ') || line.includes(' %: '))).toMatch(
      /^ {2}\d0 %: \d+\.\d of 4\.2 M parameters, .+ left$/,
    );
    child.kill('SIGINT');
    expect(await closed).toEqual([130, null]);
    expect(lines.at(-1)).toBe(`mergeguard: stopped by SIGINT; ${csv} and ${svg} were not written`);
    expect(readdirSync(folder).sort()).toEqual(['a.safetensors', 'b.safetensors', 'base.safetensors']);
    expect(existsSync(csv)).toBe(false);
  });
});
