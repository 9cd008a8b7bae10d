import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, it } from 'vitest';
import { parse } from 'yaml';
import { mergeFiles } from '../../src/at-rest/index.js';
import { mergeMethod } from '../../src/merging/index.js';
import { parseSafetensors } from '../../src/tensors/index.js';
import { disk, fineTuned, randomBase } from '../at-rest/models-on-disk.js';
import { isAlive } from '../calibrate/pool-on-disk.js';
import { collectLines, killAll, run, start } from './program.js';
import { withoutProgress } from './usage.js';

afterAll(killAll);

const { at, write, writeModels } = disk();
const base = randomBase();

/**
 * An evaluation of a checkpoint's own: it reads from its first value which coefficient it was written with, keeps a list of what it was
 * asked, and prints an accuracy that is highest at 0.9 for the task `low` and at 1.1 for `high`. The task `broken` fails above 1.3.
 */
const EVALUATION = `
const { appendFileSync, readFileSync, readdirSync } = require('node:fs');
const { dirname } = require('node:path');
const [checkpoint, task, origin, once, log] = process.argv.slice(1);
const first = (path) => {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const { 'norm.weight': { data_offsets: [begin] } } = JSON.parse(bytes.subarray(8, 8 + length));
  return bytes.readFloatLE(8 + length + begin);
};
const coefficient = (first(checkpoint) - first(origin)) / (first(once) - first(origin));
const rounded = Number(coefficient.toFixed(3));
appendFileSync(log, JSON.stringify({ task, coefficient: rounded, files: readdirSync(dirname(checkpoint)).length }) + '\\n');
if (task === 'broken' && coefficient > 1.3) {
  console.error('out of memory');
  process.exit(3);
}
if (task === 'hang' && coefficient < 0.7) setInterval(() => {}, 1000);
const top = task === 'low' ? 0.9 : 1.1;
if (task === 'wrong') console.log(87.5);
else console.log('accuracy', 0.9 - (rounded - top) ** 2);
`;

/** Two models, the merge of them as it is, and the evaluation as a program. */
async function prepared(name: string, method = 'ties@density=1') {
  const { base: origin, paths } = await writeModels(name, base, ['one', 'two']);
  const once = at(`${name}/once.safetensors`);
  await mergeFiles({ base: origin, models: paths, merge: mergeMethod(method), out: once });
  const program = at(`${name}/evaluate.cjs`);
  writeFileSync(program, EVALUATION.replace('.slice(1)', '.slice(2)'));
  const log = at(`${name}/log`);
  writeFileSync(log, '');
  const command = [process.execPath, program, '{checkpoint}', '{task}', origin, once, log]
    .map((part) => (part.startsWith('{') ? part : `'${part}'`))
    .join(' ');
  const out = at(`${name}/merged.safetensors`);
  const args = ['merge', '--method', method, '--base', origin, ...paths, '--out', out];
  const asked = () =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { task: string; coefficient: number; files: number });
  const search = (tasks: string) => ['--search-coefficient', '--evaluate', command, '--tasks', tasks];
  return { origin, paths, out, args, asked, search, files: () => readdirSync(at(name)).sort() };
}

const recordIn = (path: string) =>
  JSON.parse(parseSafetensors(readFileSync(path)).metadata.mergeguard!) as Record<string, unknown>;

// each is a process of its own that loads everything first
describe.concurrent('mergeguard merge', () => {
  it('takes a coefficient by hand, into the file, its metadata and the mergekit file', async ({ expect }) => {
    const { origin, paths, out, args } = await prepared('hand');
    const { code, out: said } = await run(...args, '--coefficient', '0.8');
    expect(code).toBe(0);
    expect(said).toMatch(/^ties@density=1, its task vector times 0\.8, of one, two\n/);
    const merge = mergeMethod('ties@density=1');
    const wanted = await mergeFiles({
      base: origin,
      models: paths,
      merge,
      coefficient: 0.8,
      out: at('hand/wanted'),
    });
    expect(readFileSync(out)).toEqual(readFileSync(wanted.out));
    expect(recordIn(out)).toMatchObject({ merge: 'ties@density=1', coefficient: 0.8 });
    const config = parse(readFileSync(at('hand/merged.mergekit.yaml'), 'utf8'));
    expect(config.parameters.lambda).toBe(0.8);
  });

  it('searches the coefficient by a command: a table, the best in the file, nothing left', async ({
    expect,
  }) => {
    const { origin, paths, out, args, asked, search, files } = await prepared('search');
    const before = files();
    const { code, out: said, err } = await run(...args, ...search('low,high'));
    expect(code).toBe(0);
    const tried = [1, 0.6, 0.8, 1.25, 1.5, 0.9, 1.125, 0.95, 1.0625];
    expect(asked().map(({ coefficient }) => coefficient)).toEqual(
      tried.flatMap((coefficient) => [expect.closeTo(coefficient, 2), expect.closeTo(coefficient, 2)]),
    );
    expect(asked().map(({ task }) => task)).toEqual(tried.flatMap(() => ['low', 'high']));
    // the merged task vector and one candidate
    expect(new Set(asked().map(({ files: count }) => count))).toEqual(new Set([2]));
    expect(said).toMatch(/^coefficient +low +high +mean\n0\.6 +81\.0 % +65\.0 % +73\.0 %\n/);
    expect(said).toContain('\nNothing was better than 1.\n');
    expect(withoutProgress(err)).toMatch(
      /^coefficient 1: accuracy 89\.0 %\ncoefficient 0\.6: accuracy 73\.0 %\n/,
    );
    expect(readFileSync(out)).toEqual(readFileSync(at('search/once.safetensors')));
    expect(files()).toEqual([...before, 'merged.mergekit.yaml', 'merged.safetensors'].sort());

    const low = await run(...args, ...search('low'), '--force', '--json');
    const report = JSON.parse(low.out);
    expect(report).toMatchObject({
      coefficient: 0.9,
      search: { tasks: ['low'], best: { coefficient: 0.9 }, plain: { coefficient: 1 } },
    });
    expect(report.search.tried).toHaveLength(9);
    const wanted = at('search/wanted');
    await mergeFiles({
      base: origin,
      models: paths,
      merge: mergeMethod('ties@density=1'),
      coefficient: 0.9,
      out: wanted,
    });
    expect(readFileSync(out)).toEqual(readFileSync(wanted));
    const config = parse(readFileSync(at('search/merged.mergekit.yaml'), 'utf8'));
    expect(config.parameters.lambda).toBe(0.9);
  });

  it('goes on where a coefficient can not be evaluated, but not where 1 can not', async ({ expect }) => {
    const { out, args, search, files } = await prepared('failing', 'weight_avg');
    const before = files();
    const broken = await run(...args, ...search('broken'), '--no-mergekit');
    expect([broken.code, recordIn(out).coefficient]).toEqual([0, 1.125]);
    expect(broken.out).toContain('\n1.5: no accuracy: broken: it ended with exit code 3\n');
    expect(broken.out).toMatch(/\nWith 1\.125 it is 0\.9 points better than with 1, on the samples/);
    expect(broken.err).toContain('\n  out of memory\ncoefficient 1.5: no accuracy: broken');
    const hanging = await run(
      ...args,
      ...search('hang'),
      '--no-mergekit',
      '--force',
      '--time-limit-seconds',
      '2',
    );
    expect(hanging.out).toMatch(/\n0\.6: no accuracy: hang: it was not done within 2 s/);
    expect([hanging.code, recordIn(out).coefficient]).toEqual([0, 1.125]);
    const kept = readFileSync(out);
    const wrong = await run(...args, ...search('low,wrong'), '--no-mergekit', '--force');
    expect(wrong.code).toBe(1);
    expect(wrong.err).toMatch(
      /\nmergeguard: the merge can not be evaluated: wrong: it printed 87\.5, .*per cent\?\n$/,
    );
    expect(readFileSync(out)).toEqual(kept);
    expect(files()).toEqual([...before, 'merged.safetensors'].sort());
  });

  it('goes on where values of a coefficient are too large for the dtype, but not where those of 1 are', async ({
    expect,
  }) => {
    const filled = (value: number) => {
      const model = fineTuned(base, 'large');
      model.set('norm.weight', { shape: [14], dtype: 'F32', data: new Float32Array(14).fill(value) });
      return model;
    };
    const origin = await write('large/base', filled(0));
    const pair = async (name: string, value: number) => [
      await write(`large/${name}1`, filled(value)),
      await write(`large/${name}2`, filled(value)),
    ];
    const out = at('large/merged.safetensors');
    const search = (models: readonly string[]) =>
      run(
        ...['merge', '--method', 'weight_avg', '--base', origin, ...models, '--out', out],
        ...['--dtype', 'F16', '--search-coefficient', '--evaluate', ': {checkpoint} {task}; echo 0.5'],
        ...['--tasks', 'a', '--no-mergekit', '--force'],
      );
    const { code, out: said } = await search(await pair('most', 6e4));
    expect([code, recordIn(out).coefficient]).toEqual([0, 1]);
    expect(said).toMatch(/\n0\.8 +50\.0 %/);
    for (const coefficient of [1.25, 1.5]) {
      const value = 6e4 * coefficient;
      expect(said).toContain(
        `\n${coefficient}: no accuracy: norm.weight of the merged model would hold ${value}, which is no finite number`,
      );
    }
    const before = readdirSync(at('large')).sort();
    const broken = await search(await pair('more', 7e4));
    expect(broken.code).toBe(1);
    expect(broken.err).toMatch(
      /norm\.weight of the merged model would hold 70000, which is no finite number in F16/,
    );
    expect(readdirSync(at('large')).sort()).toEqual(
      [...before, 'more1.safetensors', 'more2.safetensors'].sort(),
    );
  });

  it('is stopped in the middle of an evaluation, and leaves neither files nor processes', async ({
    expect,
  }) => {
    const { args, files } = await prepared('stopped');
    const before = files();
    const pid = at('stopped.pid');
    const command = `echo $$ > '${pid}'; sleep 600; : {checkpoint} {task}`;
    const { child, closed } = start(...args, '--search-coefficient', '--evaluate', command, '--tasks', 'a');
    const { lines } = collectLines(child.stderr);
    while (!existsSync(pid) || readFileSync(pid, 'utf8') === '') {
      expect(child.exitCode).toBe(null);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill('SIGTERM');
    expect(await closed).toEqual([143, null]);
    expect(lines.at(-1)).toMatch(/^mergeguard: stopped by SIGTERM; .* was not written$/);
    expect(files()).toEqual(before);
    expect(isAlive(Number(readFileSync(pid, 'utf8')))).toBe(false);
  });
});
