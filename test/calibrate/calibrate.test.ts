import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { type CalibrateOptions, type Calibration, calibrate } from '../../src/calibrate/calibrate.js';
import { failureLines } from '../../src/calibrate/failures.js';
import type { EvaluationEntry } from '../../src/calibrate/journal-entry.js';
import { openPool } from '../../src/calibrate/open-pool.js';
import { readPoolFile } from '../../src/calibrate/pool-file.js';
import { tableCsv } from '../../src/calibrate/table-csv.js';
import { parseTable } from '../../src/fingerprint/index.js';
import { disk, fineTuned, WEIGHT_METRICS } from '../at-rest/models-on-disk.js';
import { isAlive, PoolOnDisk } from './pool-on-disk.js';

const files = disk();
const NAMES = ['a', 'b', 'c', 'd', 'e'];
// models alone and half of them; 10 pairs by 2 methods on 2 tasks
const EVALUATIONS = 10 + 40;

/** A pool of its own for a test. */
async function pool(name: string): Promise<PoolOnDisk> {
  const made = new PoolOnDisk(files, name);
  await made.write(NAMES);
  return made;
}

async function calibrated(
  made: PoolOnDisk,
  settings: Record<string, unknown> = {},
  options: Partial<CalibrateOptions> = {},
): Promise<Calibration> {
  const opened = await openPool(await readPoolFile(made.pool(settings)));
  return calibrate(opened, { work: made.at('work'), workers: 2, ...options });
}

/** What the journal holds of evaluations. */
function journal(made: PoolOnDisk): EvaluationEntry[] {
  const lines = readFileSync(made.at('work/journal.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'evaluation');
}

describe('calibrate', () => {
  let first: PoolOnDisk;
  let result: Calibration;
  beforeAll(async () => {
    first = await pool('first');
    result = await calibrated(first, { methods: ['weight_avg', { ties: { density: 0.4 } }] });
  });

  it('measures every model alone and every pair by every method, and cleans up', () => {
    expect(result.evaluations).toEqual({ total: EVALUATIONS, reused: 0, failed: 0 });
    expect(first.logged('ends')).toHaveLength(EVALUATIONS);
    expect(readdirSync(first.at('work'))).toEqual(['journal.jsonl']);
    expect(result.pairs.map(({ taskA, taskB }) => taskA + taskB)).toEqual(
      'ab ac ad ae bc bd be cd ce de'.split(' '),
    );
    expect({ notes: result.notes, failures: result.failures, groups: result.groups }).toEqual({
      notes: [],
      failures: [],
      groups: [],
    });
  });

  it('normalises by what the models have alone, and keeps the raw accuracies and all parameters', () => {
    const entries = journal(first);
    const accuracy = (models: string[], task: string, merge: string | null, scale = 1) =>
      entries.find(
        (each) =>
          each.models.join() === models.join() &&
          each.task === task &&
          each.merge === merge &&
          each.scale === scale,
      )!.accuracy;
    for (const { taskA, taskB, outcomes, accuracies, selfProbe, metrics } of result.pairs) {
      const own = [taskA, taskB].map((task) => accuracy([task], task, null));
      for (const merge of ['weight_avg', 'ties@density=0.4']) {
        const merged = [taskA, taskB].map((task) => accuracy([taskA, taskB], task, merge));
        expect(outcomes[merge]).toBeCloseTo((merged[0]! / own[0]! + merged[1]! / own[1]!) / 2, 12);
        expect(accuracies[merge]).toBeCloseTo((merged[0]! + merged[1]!) / 2, 12);
      }
      expect(selfProbe).toBeCloseTo(accuracy([taskA], taskA, null, 0.5) / own[0]!, 12);
      expect(Object.keys(metrics).filter((name) => metrics[name] !== null)).toEqual(
        expect.arrayContaining(WEIGHT_METRICS),
      );
    }
    expect(entries.find(({ merge }) => merge === 'ties@density=0.4')!.parameters).toMatchObject({
      coefficient: 1,
      density: 0.4,
    });
  });

  it('gives a table that fit reads', () => {
    const text = tableCsv(result.pairs, ['weight_avg', 'ties@density=0.4']);
    for (const target of ['normalized_acc', 'acc'] as const) {
      const { rows } = parseTable(text, { target });
      expect(rows).toEqual(
        result.pairs.map(({ taskA, taskB, metrics, outcomes, accuracies, selfProbe }) => ({
          taskA,
          taskB,
          metrics,
          outcomes: target === 'acc' ? accuracies : outcomes,
          selfProbe,
        })),
      );
    }
  });

  it('does nothing again; what changed is done again and nothing else', async () => {
    const methods = ['weight_avg', { ties: { density: 0.4 } }];
    const notices: string[] = [];
    const again = await calibrated(first, { methods }, { onNotice: (text) => notices.push(text) });
    expect(again).toEqual({ ...result, evaluations: { total: EVALUATIONS, reused: EVALUATIONS, failed: 0 } });
    expect(notices[0]).toMatch(
      /^models alone: 10 of 10 evaluations are known from .*journal\.jsonl \(a script/,
    );
    expect(first.logged('begins')).toHaveLength(EVALUATIONS);

    // another model under the name of one: alone twice, and in 4 pairs by 2 methods on 2 tasks
    await files.write('first/models/c', fineTuned(first.base, 'another'));
    const changed = await calibrated(first, { methods });
    expect(changed.evaluations).toEqual({ total: EVALUATIONS, reused: EVALUATIONS - 18, failed: 0 });
    expect(first.logged('begins')).toHaveLength(EVALUATIONS + 18);
    const same = (each: Calibration) =>
      each.pairs.filter(({ taskA, taskB }) => !`${taskA}${taskB}`.includes('c'));
    expect(same(changed).map(({ outcomes }) => outcomes)).toEqual(
      same(result).map(({ outcomes }) => outcomes),
    );

    // one more method, and none of the old one's again
    const more = await calibrated(first, { methods: [...methods, 'task_arithmetic'] });
    expect(more.evaluations).toEqual({ total: EVALUATIONS + 20, reused: EVALUATIONS, failed: 0 });
    // another command may give anything else
    const evaluate = { command: first.command('well') };
    expect((await calibrated(first, { methods, evaluate })).evaluations.reused).toBe(0);
  });

  it('gives the same whether a shell runs the command, and with any number of workers', async () => {
    const made = await pool('shell');
    const command = `sh eval.sh {checkpoint} {task} ${made.at('log')} | tail -n 1`;
    const settings = { methods: ['weight_avg', { ties: { density: 0.4 } }], evaluate: { command } };
    const { pairs } = await calibrated(made, settings, { workers: 5 });
    expect(pairs).toEqual(result.pairs);
  });

  it('measures groups', async () => {
    const made = await pool('groups');
    const { groups, evaluations, notes } = await calibrated(made, {
      methods: ['weight_avg', 'slerp'],
      groups: { sizes: [3], each: 10 },
      selfProbe: false,
    });
    expect(evaluations.total).toBe(5 + 40 + 30);
    expect(groups).toHaveLength(10);
    for (const { tasks, outcomes } of groups) {
      expect(tasks).toHaveLength(3);
      expect(outcomes).toEqual({ weight_avg: expect.any(Number), slerp: null });
    }
    const own = (task: string) => journal(made).find(({ models }) => models.join() === task)!.accuracy;
    const [group] = groups;
    const merged = journal(made).filter(({ models }) => models.join() === group!.tasks.join());
    const mean = merged.reduce((sum, { task, accuracy }) => sum + accuracy / own(task), 0) / 3;
    expect(group!.outcomes.weight_avg).toBeCloseTo(mean, 12);
    expect(notes).toEqual(['slerp can not merge 3 models: left out there']);
  });
});

describe('evaluations that fail', () => {
  it('are recorded and reported by their reasons, and not fatal', async () => {
    const made = new PoolOnDisk(files, 'failing');
    await made.write([...NAMES, 'f', 'g', 'h', 'i']);
    const command = made.command('f', 'over', 'g', 'words', 'h', 'silent', 'i', 'crash');
    const settings = { selfProbe: false, methods: ['weight_avg'], evaluate: { command } };
    const { failures, evaluations, pairs, notes } = await calibrated(made, settings);
    expect(evaluations).toEqual({ total: 9 + 20, reused: 0, failed: 4 });
    const read = 'the accuracy is the last number on the last line that is not empty of what it prints';
    expect(failureLines(failures)).toEqual([
      '4 evaluations failed, which the next run tries again:',
      '  1 x it printed 1.7, read from its last line "1.7"; an accuracy is a fraction 0..1; does it print per cent?',
      '    the first: f on the task f',
      `  1 x there is no number on its last line "all done"; ${read}`,
      '    the first: g on the task g',
      `  1 x it printed nothing; ${read}`,
      '    the first: h on the task h',
      '  1 x it ended with exit code 3',
      '    the first: i on the task i',
      '      Traceback:',
      '        it broke on i',
    ]);
    expect(notes).toEqual(['f, g, h, i: no accuracy alone, so that merges with them are not made']);
    expect(pairs).toHaveLength(36);
    for (const { taskA, taskB, outcomes, metrics } of pairs) {
      expect(outcomes.weight_avg === null).toBe(/[f-i]/.test(taskA + taskB));
      expect(metrics.task_vector_cosine_similarity).toEqual(expect.any(Number));
    }
    const { rows } = parseTable(tableCsv(pairs, ['weight_avg']), { target: 'normalized_acc' });
    expect(rows).toHaveLength(36);
    expect(existsSync(made.at('work/checkpoints'))).toBe(false);
  });

  it('are stopped after the time limit with all that they started, and tried again by the next run', async () => {
    const made = new PoolOnDisk(files, 'hanging');
    await made.write([...NAMES, 'f']);
    const evaluate = { command: made.command('f', 'hang'), timeLimitSeconds: 2 };
    const settings = { selfProbe: false, methods: ['weight_avg'], evaluate };
    const calibration = await calibrated(made, settings);
    expect(calibration.failures[0]!.reason).toBe(
      'it was not done within 2 s (timeLimitSeconds) and was stopped',
    );
    const [child] = readFileSync(made.at('log.children'), 'utf8').trim().split('\n').map(Number);
    await vi.waitFor(() => expect(isAlive(child!)).toBe(false));
    const before = made.logged('begins').length;
    // it hangs no more: the script is another one under the same command
    const script = readFileSync(made.at('eval.sh'), 'utf8');
    writeFileSync(made.at('eval.sh'), script.replace('say begins', 'say begins; mode=well'));
    const again = await calibrated(made, settings);
    // f alone, and 5 pairs with it on both tasks
    expect(again.evaluations).toEqual({ total: 36, reused: 25, failed: 0 });
    expect(made.logged('begins')).toHaveLength(before + 11);
    expect(again.pairs.every(({ outcomes }) => outcomes.weight_avg !== null)).toBe(true);
  });

  it('end the run before any merge where too few are left, and everything is kept', async () => {
    const made = await pool('too-few');
    const command = made.command('b', 'crash');
    await expect(calibrated(made, { evaluate: { command } })).rejects.toThrow(
      /^too little could be measured for a fingerprint: of models that have an accuracy alone there are 4 tasks and 6 different pairs; at least 5 tasks and 10 pairs are needed\n2 evaluations failed.*\n {2}2 x it ended with exit code 3\n(.*\n)*everything that was measured is kept in .*journal\.jsonl$/,
    );
    expect(journal(made)).toHaveLength(8);
    expect(made.logged('begins')).toHaveLength(10);
  });

  it('by a command that is not there are told before any merge', async () => {
    const made = await pool('no-command');
    const evaluate = { command: ['no-such-program', '{checkpoint}', '{task}'] };
    await expect(calibrated(made, { evaluate })).rejects.toThrow(/10 x it can not be started: .*ENOENT/);
  });

  it('leave out what can not be in a table, and say so', async () => {
    const made = await pool('odd');
    // alone a is at 0, b at 0.1 and in merges at 0.75 and more
    const odd =
      'alone=$(head -c 2000 "$1" | grep -ac scale); echo 0.75 0 0.1 | cut -d " " -f $((alone * $2 + 1))';
    const numbers: Record<string, number> = { a: 1, b: 2 };
    const command = ['sh', '-c', odd, 'sh', '{checkpoint}', '{task}'];
    const models = NAMES.map((name) => ({
      name,
      path: `models/${name}.safetensors`,
      task: `${numbers[name] ?? 0}`,
    }));
    const { pairs, notes } = await calibrated(made, {
      models,
      methods: ['weight_avg'],
      evaluate: { command },
    });
    expect(notes).toContain('a has an accuracy of 0 alone: nothing can be normalised by it');
    expect(notes).toContain(
      'weight_avg of b + c has 4.250 times the accuracy of the models alone, above 1.2: left out of the table; ' +
        'were they trained to the end?',
    );
    for (const { taskA, taskB, outcomes, accuracies, selfProbe } of pairs) {
      expect(outcomes.weight_avg).toBe(/[ab]/.test(taskA + taskB) ? null : 1);
      expect(accuracies.weight_avg).toBe(0.75);
      expect(selfProbe).toBe(taskA === 'a' ? null : 1);
    }
  });
});
