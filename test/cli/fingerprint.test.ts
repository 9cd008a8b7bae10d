import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import yargs from 'yargs';
import { fingerprintCommand } from '../../src/cli/fingerprint.js';
import { compareAll, renderComparison } from '../../src/cli/fingerprint-comparison.js';
import { describeFingerprint, writeFingerprint } from '../../src/fingerprint/index.js';
import { exampleFingerprint } from '../fingerprint/example.js';
import { killAll, run } from './program.js';

const { ties } = exampleFingerprint().methods;
const one = exampleFingerprint({ methods: { ties, dare: ties } });
const other = exampleFingerprint({ name: 'other\u001b[2J', methods: { ties } });

let folder: string;
const file = (name: string) => join(folder, `${name}.json`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mergeguard-fingerprint-cli-'));
  await writeFingerprint(file('one'), one);
  await writeFingerprint(file('other'), other);
  await writeFile(file('old'), JSON.stringify({ ...one, version: 1 }));
});

afterAll(async () => {
  killAll();
  await rm(folder, { recursive: true });
});

// each is a process of its own
describe.concurrent('mergeguard fingerprint', () => {
  it('shows one as text', async ({ expect }) => {
    const { code, out, err } = await run('fingerprint', 'show', file('one'));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toBe(`${describeFingerprint(one).join('\n')}\n`);
  });

  it('shows the content of the file with --json', async ({ expect }) => {
    const { code, out } = await run('fingerprint', 'show', file('other'), '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual(other);
  });

  it('compares several in the order given, and lets no file steer the terminal', async ({ expect }) => {
    const { code, out, err } = await run('fingerprint', 'compare', file('other'), file('one'));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const comparison = compareAll([
      { label: 'other[2J', fingerprint: other },
      { label: 'example', fingerprint: one },
    ]);
    expect(out).not.toContain('\u001b');
    expect(out.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual(
      [...renderComparison(comparison), ''].map((line) => line.trim().split(/ {2,}/)),
    );
  });

  it('compares as JSON too, and calls those of one name as they were given', async ({ expect }) => {
    const { out } = await run('fingerprint', 'compare', file('one'), file('one'), '--json');
    const labelled = { label: file('one'), fingerprint: one };
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(compareAll([labelled, labelled]))));
  });

  it('ends with 1 for an unknown name, and lists the shipped ones', async ({ expect }) => {
    const { code, out, err } = await run('fingerprint', 'show', 'nosuch');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^mergeguard: no fingerprint is called "nosuch"; shipped: .*demo/);
  });

  it('ends with 2 for bad usage', async ({ expect }) => {
    const { code, out, err } = await run('fingerprint', 'shw', 'demo');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('mergeguard: Did you mean show?');
  });
});

describe('fingerprint on the command line', () => {
  const parse = async (args: readonly string[]) =>
    yargs()
      .command({ command: 'fingerprint', describe: 'fingerprint', ...fingerprintCommand })
      .strict()
      .parserConfiguration({ 'duplicate-arguments-array': false })
      .exitProcess(false)
      .fail((message, error) => {
        throw error ?? new Error(message);
      })
      .parseAsync(['fingerprint', ...args]);

  it.each<[string[], RegExp]>([
    [[], /^Say what to do with a fingerprint: show or compare.$/],
    [['show'], /^Not enough non-option arguments: got 0, need at least 1$/],
    [['compare'], /^Not enough non-option arguments: got 0, need at least 1$/],
    [['show', 'demo', '--jsn'], /^Unknown argument: jsn$/],
    [['show', 'demo', 'demo'], /^Unknown argument: demo$/],
  ])('refuses %j', async (args, message) => {
    await expect(parse(args)).rejects.toThrow(message);
  });

  it('refuses a file of an older version among others, and says the way out', async () => {
    await expect(parse(['compare', file('one'), file('old')])).rejects.toThrow(
      /old.json is refused: it has version 1.*fit it again/,
    );
  });
});

describe('renderComparison', () => {
  const cellsOf = (lines: readonly string[]) => lines.map((line) => line.trim().split(/ {2,}/));

  it('sets the agreement of methods beside that of the study and chance', () => {
    const lines = renderComparison(compareAll([{ label: 'mine', fingerprint: one }]));
    expect(cellsOf(lines).slice(3, 9)).toEqual([
      ['top-5 overlap', 'same sign'],
      ['mine, metrics alone (2 methods)', '100.0 %', '100.0 %'],
      ['mine, beside effects (2 methods)', '100.0 %', '100.0 %'],
      ['the study, first version (4 methods)', '46.7 %', '55.3 %'],
      ['the study, later version (5 methods)', '64.0 %', '79.3 %'],
      ['by chance, among 3 metrics', '100.0 %', '50.0 %'],
    ]);
    expect(lines.join('\n')).not.toContain('The same method in');
  });

  it('sets the same method of two files side by side, and says what can not be compared', () => {
    const lines = renderComparison(
      compareAll([
        { label: 'mine', fingerprint: one },
        { label: 'yours', fingerprint: other },
      ]),
    );
    const at = lines.indexOf('The same method in mine and in yours:');
    expect(cellsOf(lines).slice(at + 4, at + 6)).toEqual([
      ['ties', '100.0 %', '100.0 %', '100.0 %', '100.0 %'],
      ['mean', '100.0 %', '100.0 %', '100.0 %', '100.0 %'],
    ]);
    expect(lines).toContain('only in one of them: dare');
    expect(lines).toContain('yours, metrics alone: it takes two merge methods, and there are: ties');
    expect(cellsOf(lines)).toContainEqual(['yours, metrics alone (1 method)', '–', '–']);
  });

  it('fits a terminal of 100 columns, and has no chance where there are no metrics', () => {
    const [effects] = ties.variants.slice(-1);
    const bare = exampleFingerprint({ methods: { ties: { ...ties, variants: [effects] } } });
    const label = 'a/very/long/path/'.repeat(5);
    const lines = renderComparison(
      compareAll([
        { label, fingerprint: bare },
        { label: 'b', fingerprint: bare },
      ]),
    );
    expect(lines.join('\n')).not.toMatch(/by chance|NaN|Infinity|undefined|null/);
    for (const line of lines.filter((each) => !each.includes(label))) {
      expect([...line].length).toBeLessThanOrEqual(100);
    }
  });
});
