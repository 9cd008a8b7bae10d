import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import yargs from 'yargs';
import { fitCommand } from '../../src/cli/fit.js';
import { fitInput } from '../../src/cli/fit-input.js';
import { checkPlace, writeWhole } from '../../src/cli/fit-output.js';
import { duration, timeLeft } from '../../src/cli/work-progress.js';
import { loadFingerprint } from '../../src/fingerprint/index.js';
import { cellsOf, csvOf, namedTable, withCell } from '../fingerprint/csv-table.js';
import { collectLines, killAll, run, start } from './program.js';

const folder = mkdtempSync(join(tmpdir(), 'mergeguard-fit-'));
afterAll(() => {
  killAll();
  rmSync(folder, { recursive: true });
});

const cells = cellsOf(namedTable());

/** A file in the tests' folder. */
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const table = file('small.csv', csvOf(cells));

/** Arguments as yargs leaves them. */
const args = {
  table,
  out: join(folder, 'unused.json'),
  target: 'normalized_acc' as const,
  features: 'all',
  quick: false,
  threads: 2,
  architecture: 'small',
  optimiser: 'adam',
  gradients: 'calibration' as const,
  force: false,
  json: false,
};

// each is a process of its own that loads everything first
describe.concurrent('mergeguard fit', () => {
  it('fits a table and says how far to trust the result', async ({ expect }) => {
    const out = join(folder, 'fitted.json');
    const odd = file('odd.csv', csvOf(withCell(cells, 1, 'effective_rank', 'efective_rank')));
    const quick = ['--quick', '--relabellings', '1', '--methods', 'ties'];
    const about = ['--name', 'mine', '--architecture', 'small', '--gradients', 'ema'];
    const result = await run('fit', odd, '--out', out, ...quick, ...about);
    expect(result.code).toBe(0);
    expect(result.err).toContain(
      'note: column efective_rank is not known and is left out; did you mean effective_rank?\n',
    );
    expect(result.err).toContain('note: the table has no usable metric of the group functional\n');
    expect(result.err).toMatch(/^ {2}50 %: \d+ of \d+ fits, \d+ s left$/m);
    expect(result.err).toMatch(/^ {2}100 %: (\d+) of \1 fits$/m);
    expect(result.err).toContain(`wrote ${out} after `);
    expect(result.out).toMatch(/^ties +(-?\d\.\d\d +\d+\.\d\d +){3}\d+(\.\d)? % +-?\d\.\d\d +-?\d\.\d\d$/m);
    expect(result.out).toMatch(/^Beside effects the metrics (help|make no difference|do harm): ties\.$/m);

    const fingerprint = await loadFingerprint(out);
    expect(fingerprint.name).toBe('mine');
    expect(fingerprint.methods.ties.variants.map(({ name }) => name).sort()).toEqual([
      'effects',
      'weights',
      'weights+gradients',
    ]);
    expect(fingerprint.gradientKinds).toEqual({ live: 'ema', reference: 'calibration' });
    const { penalties, architecture, source, seeds, notes } = fingerprint.provenance;
    expect({ penalties, architecture, source, seeds }).toEqual({
      penalties: 'default',
      architecture: 'small',
      source: 'the table odd.csv',
      seeds: [0],
    });
    expect(notes).toHaveLength(1);
  });

  it('prints one JSON object and nothing else with --json', async ({ expect }) => {
    const out = join(folder, 'json.json');
    const quick = ['--quick', '--relabellings', '1', '--features', 'weights'];
    const { code, out: text } = await run('fit', table, '--out', out, ...quick, '--json');
    expect(code).toBe(0);
    const figures = { r: expect.any(Number), mae: expect.any(Number) };
    const method = {
      metricsOnly: figures,
      effectsOnly: figures,
      full: { ...figures, coverage80: expect.any(Number) },
      null: { meanR: expect.any(Number), r95: expect.any(Number) },
    };
    expect(JSON.parse(text)).toEqual({
      target: 'normalized_acc',
      methods: { ties: method, weight_avg: method },
      mean: method,
    });
  });

  it('stops on SIGINT with 130 and leaves no file behind', async ({ expect }) => {
    const place = join(folder, 'stopped');
    mkdirSync(place);
    const out = join(place, 'fp.json');
    const { child, closed } = start('fit', table, '--out', out);
    const { lines, until } = collectLines(child.stderr);
    await until((line) => line.includes(' 10 %'));
    child.kill('SIGINT');
    expect(await closed).toEqual([130, null]);
    expect(lines.at(-1)).toBe(`mergeguard: stopped by SIGINT; ${out} was not written`);
    // it does not go on to the end first
    expect(lines.some((line) => line.includes(' 90 %'))).toBe(false);
    expect(readdirSync(place)).toEqual([]);
  });

  it('refuses to overwrite a file before anything else, unless it is forced to', async ({ expect }) => {
    const out = file('there.json', 'mine');
    const refused = await run('fit', join(folder, 'absent.csv'), '--out', out);
    expect(refused).toEqual({
      code: 1,
      out: '',
      err: `mergeguard: ${out} is there already; --force overwrites it\n`,
    });
    expect(readFileSync(out, 'utf8')).toBe('mine');
    const quick = ['--quick', '--relabellings', '0', '--methods', 'ties', '--features', 'weights'];
    const forced = await run('fit', table, '--out', out, '--force', ...quick);
    expect(forced.code).toBe(0);
    expect((await loadFingerprint(out)).name).toBe('small');
  });

  it('names what is wrong with a table, and writes nothing', async ({ expect }) => {
    const bad = file('bad.csv', csvOf(withCell(cells, 3, 'normalized_acc_ties', 'nan')));
    const out = join(folder, 'bad.json');
    expect(await run('fit', bad, '--out', out)).toEqual({
      code: 1,
      out: '',
      err:
        `mergeguard: ${bad} can not be fitted:\n` +
        '  - line 3, column normalized_acc_ties: "nan" is not a number; a missing value is an empty cell\n',
    });
    expect(existsSync(out)).toBe(false);
  });
});

describe('the usage of fit', () => {
  const parser = () =>
    yargs()
      .scriptName('mergeguard')
      .command({ command: 'fit <table>', describe: 'fit', ...fitCommand })
      .strict()
      .exitProcess(false);

  it('is documented with every default', async () => {
    const help = await new Promise<string>((resolve) => {
      void parser().parse('fit --help', (_error: unknown, _args: unknown, output: string) => resolve(output));
    });
    const options = ['out', 'target', 'methods', 'features', 'quick', 'relabellings', 'threads', 'name'];
    for (const option of [...options, 'architecture', 'optimiser', 'gradients', 'force', 'json']) {
      expect(help).toMatch(new RegExp(`--${option} +[A-Z]`));
    }
    expect(help).toContain('[default: "normalized_acc"]');
    expect(help).toContain('[default: one a core]');
  });

  it.each([
    ['', 'Not enough non-option arguments'],
    ['t.csv', 'Missing required argument: out'],
    ['t.csv --out', 'Not enough arguments following: out'],
    ['t.csv --out ""', '--out must not be empty'],
    ['t.csv --out ./t.csv', '--out is the table itself'],
    ['t.csv --out o.json --name ""', '--name must not be empty'],
    ['t.csv --out o.json --target loss', 'Choices: "normalized_acc", "acc"'],
    ['t.csv --out o.json --gradients none', 'Choices: "calibration", "ema"'],
    ['t.csv --out o.json --features wheights', '--features must be all, or some of weights, slow,'],
    ['t.csv --out o.json --features weights+', '--features must be all, or some of weights, slow,'],
    ['t.csv --out o.json --methods ties,', '--methods must be names separated by commas'],
    ['t.csv --out o.json --relabellings 2.5', '--relabellings must be a whole number from 0'],
    ['t.csv --out o.json --threads 0', '--threads must be a whole number from 1'],
    ['t.csv --out o.json --speed 3', 'Unknown argument: speed'],
  ])('is refused for "%s"', async (line, message) => {
    const said = await new Promise((resolve) => {
      const failing = parser().fail((text) => {
        resolve(text);
        throw new Error(text);
      });
      Promise.resolve()
        .then(() => failing.parseAsync(`fit ${line}`))
        .catch(() => undefined);
    });
    expect(said).toContain(message);
  });

  it('ends with 2 where it is bad', async () => {
    const { code, err } = await run('fit', table);
    expect(code).toBe(2);
    expect(err).toMatch(/^mergeguard: Missing required argument: out\n/);
  });
});

describe('what is fitted', () => {
  it('is every method of the table with the metrics that it has, in every subset that a stream may offer', async () => {
    const { rows, options } = await fitInput(args);
    expect(rows).toEqual(namedTable());
    expect(options.methods).toBeUndefined();
    expect(Object.keys(options.featureSets)).toEqual(['weights+gradients', 'weights']);
    expect(options.gradientKind).toBe('calibration');
    expect([options.penalties, options.relabellings, options.name]).toEqual(['nested', 20, 'small']);
  });

  it('is less with --quick, and has no gradient kind without gradient metrics', async () => {
    const { options } = await fitInput({ ...args, quick: true, features: 'weights' });
    expect([options.penalties, options.relabellings]).toEqual(['default', 5]);
    expect(options.gradientKind).toBeNull();
    expect((await fitInput({ ...args, quick: true, relabellings: 20 })).options.relabellings).toBe(20);
  });

  it('may be named by the alias that tables use', async () => {
    const alias = file(
      'alias.csv',
      csvOf(withCell(cells, 1, 'normalized_acc_ties', 'normalized_acc_arithmetic')),
    );
    for (const methods of ['arithmetic', 'task_arithmetic', ' task_arithmetic, arithmetic ']) {
      expect((await fitInput({ ...args, table: alias, methods })).options.methods).toEqual([
        'task_arithmetic',
      ]);
    }
  });

  it('must be in the table', async () => {
    await expect(fitInput({ ...args, methods: 'tsv,ties,arithmetic' })).rejects.toThrow(
      [
        `${table} does not have every method that was asked for:`,
        '  - merge method tsv: there is no column normalized_acc_tsv with values',
        '  - merge method task_arithmetic: there is no column normalized_acc_task_arithmetic or normalized_acc_arithmetic with values',
        '  - methods that there are: ties, weight_avg',
      ].join('\n'),
    );
    await expect(fitInput({ ...args, features: 'slow+functional' })).rejects.toThrow(
      /no usable metric of slow\+functional; of others it has: task_vector_cosine_similarity, effective_rank, enc/,
    );
    await expect(fitInput({ ...args, table: 'absent.csv' })).rejects.toThrow(
      'the table absent.csv can not be read: there is no such file',
    );
  });

  it('is effects alone where the table has no metrics, and that is said', async () => {
    const bare = file('bare.csv', csvOf(cells.map((row) => [...row.slice(0, 2), ...row.slice(-2)])));
    const { options, notices } = await fitInput({ ...args, table: bare });
    expect(options.featureSets).toEqual({});
    expect(notices).toEqual([
      'the table has no usable metric: predictions come from reference effects alone',
    ]);
  });
});

describe('the place of the result', () => {
  it('must be a file in a folder that is there', async () => {
    await expect(checkPlace(join(folder, 'new.json'), false)).resolves.toBeUndefined();
    await expect(checkPlace(join(folder, 'no', 'new.json'), true)).rejects.toThrow(
      `there is no folder ${join(folder, 'no')}; make it first`,
    );
    await expect(checkPlace(join(table, 'new.json'), true)).rejects.toThrow(`there is no folder ${table}`);
    mkdirSync(join(folder, 'sub'));
    await expect(checkPlace(join(folder, 'sub'), true)).rejects.toThrow(
      'it is a folder; give the name of a file',
    );
  });

  it('has the whole file or what was there before, and nothing is left beside it', async () => {
    const place = join(folder, 'place');
    mkdirSync(place);
    const path = join(place, 'file');
    await writeWhole(path, async (temporary) => writeFileSync(temporary, 'old'));
    const failing = writeWhole(path, async (temporary) => {
      writeFileSync(temporary, 'ne');
      throw new Error('no space left');
    });
    await expect(failing).rejects.toThrow(`${path} can not be written: no space left`);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(place)).toEqual(['file']);
  });
});

describe('the time left', () => {
  it('is told in seconds and minutes, as if all fits took as long', () => {
    expect(timeLeft(0, 100, 3)).toBe('');
    expect(timeLeft(25, 100, 10)).toBe('30 s left');
    expect(timeLeft(1, 100, 10)).toBe('16 min 30 s left');
    expect(timeLeft(100, 100, 10)).toBe('0 s left');
    expect(duration(59.6)).toBe('1 min 0 s');
  });
});
