import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import type { ScoreReport } from '../../src/at-rest/index.js';
import { scoreLines } from '../../src/cli/at-rest-text.js';
import { scoreCommand } from '../../src/cli/score.js';
import { type Fingerprint, loadFingerprint, writeFingerprint } from '../../src/fingerprint/index.js';
import { metricNames } from '../../src/metrics/index.js';
import { disk, fineTuned, randomBase } from '../at-rest/models-on-disk.js';
import { killAll, run, start } from './program.js';
import { helpOf, refusal, withoutProgress } from './usage.js';

afterAll(killAll);

const { at, write, writeModels } = disk();
const base = randomBase();

const models = (folder: string, ...names: string[]) => writeModels(folder, base, names);

// each is a process of its own that loads everything first
describe.concurrent('mergeguard score', () => {
  it('prints one line of JSON with metrics and predictions of every reference', async ({ expect }) => {
    const { base: origin, paths } = await models('json', 'model', 'one', 'two');
    const args = ['--base', origin, '--reference', paths[1]!, '--reference', paths[2]!];
    const { code, out, err } = await run(
      'score',
      ...args,
      '--fingerprint',
      'demo',
      '--json',
      '--',
      paths[0]!,
    );
    expect({ code, err: withoutProgress(err) }).toEqual({ code: 0, err: '' });
    expect(out.split('\n')).toHaveLength(2);
    const report = JSON.parse(out) as ScoreReport;
    expect([report.model, report.fingerprint, report.target]).toEqual(['model', 'demo', 'normalized_acc']);
    expect(report.references.map(({ reference }) => reference)).toEqual(['one', 'two']);
    const { methods } = await loadFingerprint('demo');
    for (const { metrics, scores } of report.references) {
      expect(Object.keys(metrics)).toEqual([...metricNames]);
      expect(scores.map(({ method }) => method)).toEqual(Object.keys(methods));
    }
    expect(report.coverage).toEqual({ matched: 6, total: 6, parameters: 1, excluded: [] });
  });

  it('takes a folder of references, without the model and the base in it', async ({ expect }) => {
    const { base: origin, paths } = await models('folder', 'mine', 'one', 'two', 'three');
    const { code, out } = await run('score', '--base', origin, '--reference', at('folder'), '--', paths[0]!);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^mine against one, three, two\n6 of 6 tensors compared, 100\.0 % of the parameters\n\n/,
    );
    expect(out).toMatch(/^metric +better +one +three +two$/m);
    expect(out).toMatch(/^task_vector_l2_distance +lower( +\d\.\d+){3}$/m);
    const folder = await run('score', at('folder'), '--base', origin, '--reference', paths[0]!);
    expect(folder).toEqual({
      code: 1,
      out: '',
      err: `mergeguard: the folder "${at('folder')}" holds 3 models (one, three, two); give one of them\n`,
    });
  });

  it('reads the model behind its references, and says what a fingerprint of accuracies predicts', async ({
    expect,
  }) => {
    const { base: origin, paths } = await models('acc', 'one', 'model');
    const fingerprint = at('acc.json');
    await writeFingerprint(fingerprint, {
      ...(await loadFingerprint('demo')),
      name: 'mine',
      target: 'acc',
    } as Fingerprint);
    const { code, out } = await run(
      'score',
      '--base',
      origin,
      '--fingerprint',
      fingerprint,
      '--no-slow',
      '--reference',
      ...paths,
    );
    expect(code).toBe(0);
    expect(out).toMatch(/^model against one\n/);
    expect(out).toContain(
      '\nPredicted accuracy of the merge in %, with 80 % intervals, by the fingerprint mine:\n',
    );
    expect(out).toMatch(/^ties +\d+\.\d \(-?\d+\.\d to +\d+\.\d\)\*?$/m);
    expect(out).toMatch(/_bottom_k: left\n? +out, as was asked$/m);
    expect(Math.max(...out.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(100);
  });

  it('refuses a reference of another base, by both hashes', async ({ expect }) => {
    const { base: origin, paths } = await models('hash', 'model', 'one');
    const other = await write('hash/other', fineTuned(base, 'other base', 1));
    const reference = at('hash/reference.safetensors');
    const made = await run('reference', 'make', '--base', other, '--model', paths[1]!, '--out', reference);
    expect(made.code).toBe(0);
    const { code, err } = await run('score', paths[0]!, '--base', origin, '--reference', reference);
    expect(code).toBe(1);
    expect(err).toMatch(/reference was made from another base \([0-9a-f]{12} there, [0-9a-f]{12} here\)/);
    const matching = await run('score', paths[0]!, '--base', other, '--reference', reference, '--json');
    expect(matching.code).toBe(0);
  });

  it('fails for a fingerprint that is none, before any model is read', async ({ expect }) => {
    const args = ['no-model', '--base', 'no-base', '--reference', 'none', '--fingerprint'];
    const unknown = await run('score', ...args, 'demoo');
    expect(unknown).toMatchObject({ code: 1, out: '' });
    expect(unknown.err).toMatch(
      /^mergeguard: no fingerprint is called "demoo"; shipped: .*, demo; for a file/,
    );
    const path = at('no-fingerprint.json');
    writeFileSync(path, 'text');
    const broken = await run('score', ...args, path);
    expect(broken.err).toBe(`mergeguard: the fingerprint ${path} is refused: it is not JSON\n`);
  });

  it('is no failure where its reader has seen enough', async ({ expect }) => {
    const { base: origin, paths } = await models('pipe', 'model', 'one');
    const { child, closed } = start('score', paths[0]!, '--base', origin, '--reference', paths[1]!);
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (text) => {
      err += text;
    });
    expect(await closed).toEqual([0, null]);
    expect(withoutProgress(err)).toBe('');
  });
});

describe('the usage of score', () => {
  it('is documented with every default', async () => {
    const help = await helpOf('score [model]', scoreCommand);
    for (const option of [
      'base',
      'reference',
      'fingerprint',
      'heads',
      'threads',
      'slow',
      'precise',
      'json',
    ]) {
      expect(help).toMatch(new RegExp(`--${option} +[A-Z]`));
    }
    expect(help).toContain('[default: one a core]');
  });

  it.each([
    ['m', 'Missing required arguments: base, reference'],
    ['m --base b', 'Missing required argument: reference'],
    ['m --base b --reference', 'Not enough arguments following: reference'],
    ['m --base b --reference ""', '--reference must not be empty'],
    ['m --base "" --reference r', '--base must not be empty'],
    ['m --base b --reference r --fingerprint ""', '--fingerprint must not be empty'],
    ['"" --base b --reference r', 'model must not be empty'],
    ['m --base b --reference r --threads 1.5', '--threads must be a whole number from 1'],
    ['m --base b --reference r --heads ""', '--heads must be names separated by commas'],
    ['m --base b --reference r --metric x', 'Unknown argument: metric'],
    [
      '--base b --reference r',
      'Name one model to score, and at least one reference (models: r; references: none).',
    ],
    [
      'm --base b --reference r -- n',
      'Name one model to score, and at least one reference (models: m, n; references: r).',
    ],
  ])('is refused for "%s"', async (line, message) => {
    expect(await refusal('score [model]', scoreCommand, line)).toBe(message);
  });
});

describe('the text of a score', () => {
  /** Some references, the second of which lacks a metric. */
  function report(names: readonly string[]): ScoreReport {
    const metrics = { task_vector_cosine_similarity: -0.25, effective_rank: 1.5 };
    return {
      model: 'model',
      fingerprint: null,
      target: null,
      coverage: { matched: 1, total: 21, parameters: 0.99999, excluded: excluded() },
      findings: [],
      notes: [],
      references: names.map((reference, at) => ({
        reference,
        metrics: at === 1 ? { ...metrics, effective_rank: null } : metrics,
        reasons: (at === 1 ? { effective_rank: 'the task vector is zero' } : {}) as Record<string, string>,
        scores: [],
      })),
    };
  }

  function excluded() {
    const strange = Array.from({ length: 18 }, (_, i) => ({ name: `gone.${i}`, reason: 'not in model' }));
    return [
      ...strange,
      { name: 'h', reason: 'I64, not a parameter' },
      { name: 'uup', reason: 'in model, not in the base (nearest there: up)' },
    ];
  }

  it('cuts the share of the parameters and lists what is left out by reason, renamed tensors first', () => {
    expect(scoreLines(report(['a'])).slice(0, 5)).toEqual([
      'model against a',
      '1 of 21 tensors compared, 99.9 % of the parameters',
      '  left out: uup: in model, not in the base (nearest there: up)',
      '  left out: gone.0, gone.1, gone.2 and 15 more: not in model',
      '  left out: h: I64, not a parameter',
    ]);
  });

  it('has a dash where one reference lacks a value, and below the reason with its name', () => {
    const lines = scoreLines(report(['a', 'b']));
    expect(lines).toContainEqual(expect.stringMatching(/^effective_rank +lower +1\.5000 +–$/));
    expect(lines.slice(-2)).toEqual(['not computed:', '  effective_rank with b: the task vector is zero']);
  });

  it('goes on in further tables where references do not fit beside each other, long names as numbers', () => {
    const long = scoreLines(report([...'abcdefgh'].map((letter) => letter.repeat(30))));
    expect(long).toContain(`[8] ${'h'.repeat(30)}`);
    expect(long.filter((line) => line.startsWith('metric'))).toHaveLength(2);
    const many = scoreLines(report(Array.from({ length: 40 }, (_, i) => `reference ${i}`)));
    expect(many[0]).toBe('model against 40 references');
    for (const line of [...long, ...many]) {
      expect(line.length).toBeLessThanOrEqual(100);
    }
  });
});
