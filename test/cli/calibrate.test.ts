import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../src/calibrate/journal-entry.js';
import { calibrateCommand } from '../../src/cli/calibrate.js';
import { loadFingerprint, parseTable } from '../../src/fingerprint/index.js';
import { disk } from '../at-rest/models-on-disk.js';
import { isAlive, type LoggedEvaluation, PoolOnDisk } from '../calibrate/pool-on-disk.js';
import { collectLines, killAll, run, start } from './program.js';
import { helpOf, refusal, withoutProgress } from './usage.js';

afterAll(killAll);

const files = disk();
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const EVALUATIONS = 10 + 20;

/** A pool of its own, merged by one method, with the arguments that calibrate it. */
async function pool(name: string, settings: Record<string, unknown> = {}) {
  const made = new PoolOnDisk(files, name);
  await made.write(NAMES);
  const file = made.pool({ methods: ['weight_avg'], ...settings });
  const out = made.at('fp.json');
  return { made, out, args: ['calibrate', '--pool', file, '--out', out, '--quick'] };
}

function journal(made: PoolOnDisk): JournalEntry[] {
  const lines = readFileSync(made.at('fp.json.work/journal.jsonl'), 'utf8').split('\n');
  // a torn last line does not count
  return lines.slice(0, -1).map((line) => JSON.parse(line) as JournalEntry);
}

/** How often each evaluation was begun. */
function timesBegun(made: PoolOnDisk): Map<string, number> {
  const times = new Map<string, number>();
  for (const { checkpoint, task } of made.logged('begins')) {
    const key = `${checkpoint} ${task}`;
    times.set(key, (times.get(key) ?? 0) + 1);
  }
  return times;
}

/** Resolves when the script has ended so many evaluations. */
async function untilEnded(made: PoolOnDisk, count: number): Promise<LoggedEvaluation[]> {
  let ended = made.logged('ends');
  while (ended.length < count) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    ended = made.logged('ends');
  }
  return ended;
}

// each is a process of its own that loads everything first
describe.concurrent('mergeguard calibrate', () => {
  it('fits a fingerprint on merges that it made, and says what it is worth', async ({ expect }) => {
    const about = { name: 'mine', architecture: 'small', optimiser: 'adam', groups: { each: 10 } };
    const { made, out, args } = await pool('fits', about);
    const table = made.at('merges.csv');
    const { code, out: text, err } = await run(...args, '--table', table, '--workers', '3');
    expect({ code, err }).toMatchObject({ code: 0 });
    expect(err).toMatch(/^ {2}100 %: 10 of 10 evaluations of models alone$/m);
    expect(err).toMatch(/^ {2}50 %: \d+ of 50 evaluations of merges, \d+ s left$/m);
    expect(err).toContain(`wrote ${table}\n`);
    expect(err).toContain(`wrote ${out} after `);
    expect(text).toMatch(/^weight_avg +(-?\d\.\d\d +\d+\.\d\d +){3}/m);
    expect(text).toMatch(/^Beside effects the metrics (help|make no difference|do harm): weight_avg\.$/m);
    expect(text).toContain(`\nThe fingerprint is ${out}, the table ${table}.\n`);
    const { name, provenance, methods, gradientKinds } = await loadFingerprint(out);
    expect({ name, ...provenance }).toMatchObject({
      name: 'mine',
      architecture: 'small',
      optimiser: 'adam',
      source: 'a pool of 5 models, every pair merged and evaluated by mergeguard calibrate',
      rows: 10,
      tasks: NAMES,
    });
    expect(methods.weight_avg!.groups).toMatchObject({ rows: 10 });
    expect(methods.weight_avg!.selfProbe).toMatchObject({ scale: 0.5, rows: 10 });
    expect(gradientKinds).toEqual({ live: null, reference: null });
    expect(parseTable(readFileSync(table, 'utf8'), { target: 'acc' }).rows).toHaveLength(10);
    expect(readdirSync(`${out}.work`)).toEqual(['journal.jsonl']);

    const again = await run(...args);
    expect(again).toMatchObject({
      code: 1,
      err: `mergeguard: ${out} is there already; --force overwrites it\n`,
    });
    const forced = await run(...args, '--force', '--json');
    expect(JSON.parse(forced.out)).toMatchObject({
      fit: {
        target: 'normalized_acc',
        methods: { weight_avg: { full: { coverage80: expect.any(Number) } } },
      },
      table: `${out}.work/merges.csv`,
      evaluations: { total: 60, reused: 60, failed: 0 },
    });
    expect(made.logged('begins')).toHaveLength(60);
  });

  it('goes on after a SIGKILL without doing any finished evaluation again', async ({ expect }) => {
    const { made, out, args } = await pool('killed');
    let kills = 0;
    for (const ended of [4, 18]) {
      const { child, closed } = start(...args, '--workers', '2');
      await untilEnded(made, ended);
      child.kill('SIGKILL');
      expect(await closed).toEqual([null, 'SIGKILL']);
      kills += 1;
    }
    const finished = journal(made).filter(({ kind }) => kind === 'evaluation').length;
    expect(finished).toBeGreaterThan(10);
    expect(finished).toBeLessThan(EVALUATIONS);
    expect(existsSync(out)).toBe(false);
    const { code, err } = await run(...args);
    expect({ code, err }).toMatchObject({ code: 0 });
    // By the command's own log: only what was evaluated at the moment of a kill, two at a time, was begun again.
    const times = [...timesBegun(made).values()];
    expect(times).toHaveLength(EVALUATIONS);
    const again = times.reduce((sum, count) => sum + count - 1, 0);
    expect(again).toBeLessThanOrEqual(2 * kills);
    expect(finished).toBeGreaterThan(2 * kills);
    const evaluations = journal(made).filter(({ kind }) => kind === 'evaluation');
    expect(new Set(evaluations.map(({ key }) => key)).size).toBe(evaluations.length);
    expect(evaluations).toHaveLength(EVALUATIONS);
    expect(readdirSync(`${out}.work`).sort()).toEqual(['journal.jsonl', 'merges.csv']);
    await loadFingerprint(out);
  });

  it('stops on SIGINT with 130, leaves nothing running and says how to go on', async ({ expect }) => {
    const { made, out, args } = await pool('stopped');
    made.pool({ methods: ['weight_avg'], evaluate: { command: made.command('c', 'hang') } });
    const { child, closed } = start(...args);
    const { lines } = collectLines(child.stderr);
    while (!existsSync(made.at('log.children'))) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const refused = await run(...args);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain(
      `mergeguard: the work folder ${out}.work is in use: process ${child.pid} works there; wait for its end`,
    );
    child.kill('SIGINT');
    expect(await closed).toEqual([130, null]);
    expect(lines.slice(-2)).toEqual([
      `everything finished so far is in ${out}.work: the same command goes on from there`,
      `mergeguard: stopped by SIGINT; ${out} was not written`,
    ]);
    expect(readdirSync(`${out}.work`)).toEqual(['journal.jsonl']);
    const pid = Number(readFileSync(made.at('log.children'), 'utf8'));
    while (isAlive(pid)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // a and b at both scales
    expect(journal(made).map(({ kind }) => kind)).toEqual(Array(4).fill('evaluation'));
  });

  it('keeps everything where the disk is full, and goes on when it is not', async ({ expect }) => {
    const { made, out, args } = await pool('full');
    expect((await run(...args)).code).toBe(0);
    const before = journal(made);
    made.pool({ methods: ['weight_avg', 'ties'] });
    // files of 4 KB at most: merged checkpoints are larger
    const program = [process.execPath, '--import', 'tsx', 'src/cli/index.ts', ...args, '--force'];
    const child = spawn('sh', ['-c', 'ulimit -f 8; exec "$@"', 'sh', ...program]);
    const { lines } = collectLines(child.stderr);
    const [code] = await once(child, 'close');
    expect(code).toBe(1);
    expect(lines.at(-1)).toMatch(
      /^mergeguard: .*(EFBIG|ENOSPC).*there is no room left: make some, or give another folder with --work, and run it again: everything finished so far is kept$/,
    );
    expect(journal(made)).toEqual(before);
    expect(readdirSync(`${out}.work`).sort()).toEqual(['journal.jsonl', 'merges.csv']);
    const again = await run(...args, '--force', '--json');
    expect(JSON.parse(again.out).evaluations).toEqual({ total: 50, reused: 30, failed: 0 });
  });

  it('reports what failed, leaves out a method that too few pairs have, and says where too little is left', async ({
    expect,
  }) => {
    const { made, out, args } = await pool('failing', { methods: ['weight_avg', 'ties'], selfProbe: false });
    // a merge by ties says so in its metadata
    const script = readFileSync(made.at('eval.sh'), 'utf8');
    const breaking = (method: string, mode: string) =>
      script.replace(
        'say begins',
        `say begins; ! head -c 2000 "$checkpoint" | grep -aq ${method} || mode=${mode}`,
      );
    writeFileSync(made.at('eval.sh'), breaking('ties', 'crash'));
    const { code, err } = await run(...args);
    expect({ code, err }).toMatchObject({ code: 0 });
    expect(withoutProgress(err)).toContain(
      '20 evaluations failed, which the next run tries again:\n  20 x it ended with exit code 3\n    the first: ties of a + b on the task a\n      Traceback:\n        it broke on a\n',
    );
    expect(err).toContain(
      'note: ties is not fitted: of merges by it there are 0 tasks and 0 different pairs; at least 5 tasks and 10 pairs are needed\n',
    );
    expect(Object.keys((await loadFingerprint(out)).methods)).toEqual(['weight_avg']);

    const both = await pool('failing-all', { selfProbe: false });
    writeFileSync(both.made.at('eval.sh'), breaking('weight_avg', 'words'));
    const none = await run(...both.args);
    expect(none.code).toBe(1);
    expect(none.err).toMatch(
      /^mergeguard: too little could be measured for a fingerprint: weight_avg: 0 tasks and 0 different pairs;.*\n20 evaluations failed.*\n {2}20 x there is no number on its last line "all done".*\n.*\neverything that was measured is kept in .*journal\.jsonl$/m,
    );
    expect(existsSync(both.out)).toBe(false);
    expect(existsSync(`${both.out}.work/merges.csv`)).toBe(true);
  });

  it('tells what is wrong with the pool and with the places of files at once, before anything', async ({
    expect,
  }) => {
    const { made, out, args } = await pool('wrong');
    made.pool({ methods: ['weight_avg', 'tise'], evaluate: { command: 'eval {checkpoint}' } });
    const { code, err } = await run(...args, '--table', made.at('nowhere/t.csv'));
    expect(code).toBe(1);
    for (const line of ['there is no folder', 'unknown merge method "tise"', 'has no {task}']) {
      expect(err).toContain(line);
    }
    expect(existsSync(`${out}.work`)).toBe(false);
  });
});

describe('its arguments', () => {
  it('are explained', async () => {
    const help = await helpOf('calibrate', calibrateCommand);
    for (const option of [
      '--pool',
      '--out',
      '--work',
      '--table',
      '--workers',
      '--quick',
      '--force',
      '--json',
    ]) {
      expect(help).toContain(option);
    }
  });

  it.each([
    ['--pool p.yaml', 'Missing required argument: out'],
    ['--pool "" --out f', '--pool must not be empty'],
    ['--pool p.yaml --out f --table ./f', '--pool, --out, --work and --table must be different'],
    ['--pool p.yaml --out f --workers 0', '--workers must be a whole number from 1'],
    ['--pool p.yaml --out f --worker 2', 'Unknown argument: worker'],
  ])('%s are refused', async (line, problem) => {
    expect(await refusal('calibrate', calibrateCommand, line)).toContain(problem);
  });
});
