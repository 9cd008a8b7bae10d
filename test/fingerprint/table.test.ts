import { describe, expect, it } from 'vitest';
import { checkTable, type TableRow } from '../../src/fingerprint/index.js';
import { isDirected } from '../../src/fingerprint/table.js';
import { syntheticTable } from './synthetic.js';

const good = syntheticTable();

function withRow(change: Partial<TableRow>): TableRow[] {
  return [{ ...good[0], ...change }, ...good.slice(1)];
}

function reversed(row: TableRow): TableRow {
  return { ...row, taskA: row.taskB, taskB: row.taskA };
}

describe('checkTable', () => {
  it('takes a good table, null cells, and a pair repeated at other checkpoints', () => {
    expect(() => checkTable(good)).not.toThrow();
    expect(() => checkTable(withRow({ metrics: { signal: null }, outcomes: { ties: null } }))).not.toThrow();
    const late = good.map((row) => ({ ...row, checkpoint: 100 }));
    const early = good.map((row) => ({ ...row, checkpoint: 50 }));
    expect(() => checkTable([...early, ...late])).not.toThrow();
    expect(() => checkTable([...good, ...good.map(reversed)])).not.toThrow();
  });

  it.each<[string, TableRow[], RegExp]>([
    ['too few tasks', good.filter((row) => row.taskA !== 'ant').slice(0, 6), /at least 5 tasks and 10 pairs/],
    ['too few pairs', good.slice(0, 9), /7 tasks and 9 different pairs; at least/],
    ['a self pair', withRow({ taskB: 'ant' }), /row 1 \(ant, ant\): a pair of a task with itself/],
    ['a repeated pair', [...good, good[2]], /row 22 \(ant, dog\): the same pair as row 3/],
    [
      'an accuracy in per cent',
      withRow({ outcomes: { ties: 91 } }),
      /row 1 .*column ties: accuracy 91 is outside 0..1.2/,
    ],
    ['a negative accuracy', withRow({ outcomes: { ties: -0.1 } }), /column ties: accuracy -0.1/],
    ['a NaN accuracy', withRow({ outcomes: { ties: Number.NaN } }), /column ties: accuracy NaN/],
    [
      'a NaN metric',
      withRow({ metrics: { signal: Number.NaN } }),
      /row 1 .*column signal: NaN is not a finite/,
    ],
    ['an infinite metric', withRow({ metrics: { signal: 1 / 0 } }), /column signal: Infinity/],
    [
      'a pair that stands there again the other way round',
      [...good, reversed(good[2])],
      /row 22 \(dog, ant\): the pair of row 3 the other way round/,
    ],
    [
      'a task that is in every pair',
      Array.from({ length: 12 }, (_, i) => ({ ...good[0], taskA: 'hub', taskB: `task ${i}` })),
      /without hub only 0 of 12 rows are left.*merge the other tasks with each other too/,
    ],
    [
      'a checkpoint in one row only',
      withRow({ checkpoint: 3 }),
      /20 of 21 rows have no checkpoint, the first is row 2/,
    ],
    [
      'a task called __proto__',
      withRow({ taskA: '__proto__' }),
      /row 1 .*column taskA: no task can be called/,
    ],
    ['a bad self-probe', withRow({ selfProbe: -1 }), /column selfProbe: -1 is not an accuracy ratio/],
  ])('refuses %s', (_, rows, message) => {
    expect(() => checkTable(rows)).toThrow(message);
  });

  it('names every problem at once', () => {
    const rows = withRow({ taskB: 'ant', outcomes: { ties: 2 }, metrics: { signal: Number.NaN } });
    expect(() => checkTable(rows)).toThrow(/itself[\s\S]*signal[\s\S]*ties/);
  });
});

describe('isDirected', () => {
  it('is true with checkpoints or with a pair in both orders', () => {
    expect(isDirected(good)).toBe(false);
    expect(isDirected(withRow({ checkpoint: 3 }))).toBe(true);
    expect(isDirected([...good, reversed(good[0])])).toBe(true);
  });
});
