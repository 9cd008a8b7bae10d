import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeReferenceFile } from '../../src/at-rest/index.js';
import { referenceCommand } from '../../src/cli/reference.js';
import { openReference } from '../../src/reference/index.js';
import { Random, type TensorInput } from '../../src/tensors/index.js';
import { adapter, disk, fineTuned, randomBase, type Tensors, tensor } from '../at-rest/models-on-disk.js';
import { killAll, run } from './program.js';
import { helpOf, refusal, withoutProgress } from './usage.js';

afterAll(killAll);

const { at, write, writeAdapter } = disk();
const base = randomBase();

/** A base and a model with a head of its own. */
async function models(folder: string): Promise<{ base: string; model: string }> {
  const head = tensor([3, 14], new Random('head'));
  const model = fineTuned(base, folder).set('head.weight', head);
  return { base: await write(`${folder}/base`, base), model: await write(`${folder}/tuned`, model) };
}

function samples(shape: number[], labels: number[]): Tensors {
  return new Map<string, TensorInput>([
    ['inputs', tensor(shape, new Random('samples'))],
    ['labels', { shape: [labels.length], data: Int32Array.from(labels) }],
  ]);
}

// each is a process of its own that loads everything first
describe.concurrent('mergeguard reference', () => {
  it('makes a file from checkpoints, says what it lacks, and shows it', async ({ expect }) => {
    const { base: origin, model } = await models('make');
    const calibration = await write('make/samples', samples([4, 14], [0, 1, 2, 0]));
    const out = at('make/made.safetensors');
    const args = ['--base', origin, '--model', model, '--calibration', calibration, '--out', out];
    const made = await run('reference', 'make', ...args, '--dtype', 'F16', '--name', 'mine\u0007');
    expect(made.code).toBe(0);
    expect(withoutProgress(made.err)).toMatch(new RegExp(`^wrote ${out}, \\d+\\.\\d kB, after \\d+ s\n$`));
    expect(made.out).toMatch(
      /^reference mine\n6 of 7 tensors compared, 100\.0 % of the parameters\n {2}left out: head\.weight: /,
    );
    expect(made.out).toContain('\nwhat it lacks:\n  no gradient: gradient metrics are null\n');

    const shown = await run('reference', 'show', out);
    expect({ code: shown.code, err: shown.err }).toEqual({ code: 0, err: '' });
    expect(shown.out).toMatch(
      /^reference {5}mine\nfile {10}\S+, \d+\.\d kB\nbase {10}[0-9a-f]{12} \(SHA-256/,
    );
    expect(shown.out).toMatch(/^task vector {3}length \d+\.\d+; 6 tensors in F16$/m);
    expect(shown.out).toMatch(/^head {10}head\.weight$/m);
    expect(shown.out).toMatch(/^calibration {3}4 samples$/m);
    expect(shown.out).toMatch(/^made by {7}kind: checkpoint$/m);
    const { code, out: json } = await run('reference', 'show', out, '--json');
    expect(code).toBe(0);
    expect(json.split('\n')).toHaveLength(2);
    expect(JSON.parse(json)).toMatchObject({
      name: 'mine\u0007',
      path: out,
      tensors: 6,
      taskVector: { dense: 6, lowRank: 0, dtype: 'F16' },
      head: ['head.weight'],
      gradient: null,
      calibrationSamples: 4,
    });
  });

  it('makes one of an adapter, by its factors', async ({ expect }) => {
    const { base: origin } = await models('lora');
    const model = await writeAdapter(
      'lora/adapter',
      adapter(base, { rank: 2, modules: ['layers.0.up'] }, 'lora'),
    );
    const out = at('lora/made.safetensors');
    expect(await run('reference', 'make', '--base', origin, '--model', model, '--out', out)).toMatchObject({
      code: 0,
    });
    const { out: shown } = await run('reference', 'show', out);
    expect(shown).toMatch(/^reference {5}adapter\n/);
    expect(shown).toMatch(/^task vector {3}length \d+\.\d+; 1 as low-rank factors$/m);
  });

  it('never loses a file that it reads, and others only if it is forced to', async ({ expect }) => {
    const { base: origin, model } = await models('lost');
    const before = readFileSync(origin);
    const args = ['--base', origin, '--model', model, '--out'];
    expect(await run('reference', 'make', ...args, origin, '--force')).toEqual({
      code: 1,
      out: '',
      err: `mergeguard: ${origin} can not be written: it is read as ${origin}; choose another name\n`,
    });
    expect(readFileSync(origin)).toEqual(before);
    const other = at('lost/other.safetensors');
    writeFileSync(other, 'mine');
    const refused = await run('reference', 'make', ...args, other);
    expect(refused.err).toBe(`mergeguard: ${other} is there already; --force overwrites it\n`);
    expect((await run('reference', 'make', ...args, other, '--force')).code).toBe(0);
    const place = at('lost/nowhere/r.safetensors');
    expect((await run('reference', 'make', ...args, place)).err).toBe(
      `mergeguard: ${place} can not be written: there is no folder ${dirname(place)}; make it first\n`,
    );
  });

  it('refuses broken values, a folder of several models, and references', async ({ expect }) => {
    const { base: origin, model } = await models('bad');
    const made = at('bad/made.safetensors');
    const wild = fineTuned(base, 'wild');
    wild.get('norm.weight')!.data[0] = Number.NaN;
    wild.get('embed.weight')!.data[0] = Number.POSITIVE_INFINITY;
    const broken = await write('bad/wild', wild);
    const files = readdirSync(at('bad')).sort();
    const result = await run('reference', 'make', '--base', origin, '--model', broken, '--out', made);
    expect(result).toMatchObject({ code: 1, out: '' });
    expect(withoutProgress(result.err).split('\n').sort()).toEqual([
      '',
      '  - embed.weight: 1 of 280 values are NaN or infinite',
      '  - norm.weight: 1 of 14 values are NaN or infinite',
      "mergeguard: the reference wild can't be made:",
    ]);
    const folder = await run('reference', 'make', '--base', origin, '--model', at('bad'), '--out', made);
    expect(folder.err).toMatch(
      /^mergeguard: the folder "\S+" holds 2 models \(tuned, wild\); give one of them\n$/,
    );
    expect(readdirSync(at('bad')).sort()).toEqual(files);
    await makeReferenceFile({ base: origin, model, out: made });
    const again = await run(
      'reference',
      'make',
      '--base',
      origin,
      '--model',
      made,
      '--out',
      at('bad/2.safetensors'),
    );
    expect(again.err).toContain(`${made} is a reference already; give the checkpoint`);
    const swapped = await run(
      'reference',
      'make',
      '--base',
      made,
      '--model',
      model,
      '--out',
      at('bad/2.safetensors'),
    );
    expect(swapped.err).toBe(
      `mergeguard: "${made}" is a reference file, which holds a task vector and no weights; give the checkpoint\n`,
    );
    const shown = await run('reference', 'show', model);
    expect(shown.err).toMatch(/^mergeguard: "\S+" is not a mergeguard reference/);
  });
});

describe('calibration samples', () => {
  it.each([
    [
      'counts that differ',
      samples([4, 14], [0, 1, 2]),
      ['inputs is [4, 14] and labels [3]; they must be [N, ...] and [N]'],
    ],
    ['no batch', samples([4], [0, 1, 2, 0]), ['inputs is [4] and labels [4]; they must be [N, ...] and [N]']],
    ['nothing', samples([0, 14], []), ['inputs is [0, 14], which is no sample at all']],
    ['a negative label', samples([2, 3], [0, -1]), ['the label -1 is not a class number from 0']],
    [
      'infinite inputs',
      new Map([
        ...samples([2, 2], [0, 1]),
        ['inputs', { shape: [2, 2], data: Float32Array.of(1, Infinity, 2, NaN) }],
      ]),
      ['2 of 4 values of inputs are NaN or infinite'],
    ],
    [
      'other names',
      new Map([['x', tensor([2], new Random(1))]]),
      ['it holds no tensor called inputs or images (it holds x)', 'it holds no tensor called labels'],
    ],
  ])('are refused for %s', async (name, tensors, problems) => {
    const { base: origin, model } = await models(`samples/${name}`);
    const calibration = await write(`samples/${name}/samples`, tensors as Tensors);
    const out = at(`samples/${name}/made.safetensors`);
    await expect(makeReferenceFile({ base: origin, model, calibration, out })).rejects.toThrow(
      [`"${calibration}" holds no calibration samples:`, ...problems.map((text) => `  - ${text}`)].join('\n'),
    );
  });
});

describe('making a reference', () => {
  it.each([0, 0.5, 1])('leaves no file when it is stopped after %d of the work', async (share) => {
    const { base: origin, model } = await models(`stopped ${share}`);
    const folder = dirname(origin);
    mkdirSync(folder, { recursive: true });
    const files = readdirSync(folder).sort();
    const controller = new AbortController();
    const stopped = new Error('stopped');
    const making = makeReferenceFile({
      base: origin,
      model,
      out: `${folder}/made.safetensors`,
      threads: 1,
      signal: controller.signal,
      onProgress: (done, total) => {
        if (done >= share * total) controller.abort(stopped);
      },
    });
    await expect(making).rejects.toBe(stopped);
    expect(readdirSync(folder).sort()).toEqual(files);
  });

  it('leaves no file either when it is stopped while the file is written', async () => {
    const { base: origin, model } = await models('stopped writing');
    const controller = new AbortController();
    const making = makeReferenceFile({
      base: origin,
      model,
      out: at('stopped writing/made.safetensors'),
      signal: controller.signal,
    });
    // the file is there under another name as soon as it is begun
    while (!readdirSync(at('stopped writing')).some((name) => name.endsWith('.tmp'))) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    controller.abort(new Error('stopped'));
    await making.catch(() => undefined);
    expect(readdirSync(at('stopped writing')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('gives a file that can be opened', async () => {
    const { base: origin, model } = await models('opened');
    const out = at('opened/made.safetensors');
    await makeReferenceFile({ base: origin, model, out });
    const file = await openReference(out);
    expect(file.description.name).toBe('tuned');
    await file.close();
  });
});

describe('the usage of reference', () => {
  it('is documented', async () => {
    expect(await helpOf('reference', referenceCommand)).toMatch(/reference make [^<]+reference show <file>/);
  });

  it.each([
    ['', 'Name what to do: make or show.'],
    ['make', 'Missing required arguments: base, model, out'],
    ['make --base b --model m --out', 'Not enough arguments following: out'],
    ['make --base b --model m --out ""', '--out must not be empty'],
    ['make --base b --model m --out o --name ""', '--name must not be empty'],
    ['make --base b --model m --out o --calibration ""', '--calibration must not be empty'],
    ['make --base b --model m --out o --threads 0', '--threads must be a whole number from 1'],
    ['show', 'Not enough non-option arguments: got 0, need at least 1'],
    ['show ""', 'file must not be empty'],
    ['show f --jsn', 'Unknown argument: jsn'],
  ])('is refused for "%s"', async (line, message) => {
    expect(await refusal('reference', referenceCommand, line)).toBe(message);
  });
});
