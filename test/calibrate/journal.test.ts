import { spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Journal } from '../../src/calibrate/journal.js';
import type { JournalEntry } from '../../src/calibrate/journal-entry.js';
import { disk } from '../at-rest/models-on-disk.js';

const { at, write } = disk();
beforeAll(() => write('unused', new Map()));

/** A path of its own for each. */
let paths = 0;
const newPath = () => at(`journal-${paths++}`);

function entry(key: string, accuracy = 0.5): JournalEntry {
  const about = { models: ['a', 'b'], merge: 'ties', parameters: { density: 0.2 }, scale: 1, task: 'a\n"ü"' };
  return { kind: 'evaluation', key, time: '2026-01-01T00:00:00Z', ...about, accuracy, seconds: 1 };
}

async function filled(path: string, keys: readonly string[]): Promise<void> {
  const journal = await Journal.open(path);
  await Promise.all(keys.map((key) => journal.add(entry(key))));
  await journal.close();
}

describe('the journal', () => {
  it('has what was added, also when it is opened again; the last of a key counts', async () => {
    const path = newPath();
    await filled(path, ['one', 'two']);
    const journal = await Journal.open(path);
    expect(journal.get('one')).toEqual(entry('one'));
    await journal.add(entry('one', 0.75));
    expect(journal.get('one')).toEqual(entry('one', 0.75));
    await journal.close();
    const again = await Journal.open(path);
    expect([again.get('one'), again.get('two'), again.get('three')]).toEqual([
      entry('one', 0.75),
      entry('two'),
      undefined,
    ]);
    await again.close();
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(4);
  });

  it('loses no more than a torn last line, wherever a kill cut it', async () => {
    const path = newPath();
    await filled(path, ['one', 'two']);
    const whole = readFileSync(path);
    const firstLine = whole.indexOf('\n') + 1;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: firstLine, max: whole.length - 1 }), async (length) => {
        writeFileSync(path, whole.subarray(0, length));
        const journal = await Journal.open(path);
        expect(journal.unreadable).toEqual([]);
        expect([journal.get('one'), journal.get('two')]).toEqual([entry('one'), undefined]);
        await journal.add(entry('three'));
        await journal.close();
        const again = await Journal.open(path);
        expect([again.get('one'), again.get('three')]).toEqual([entry('one'), entry('three')]);
        await again.close();
      }),
    );
  });

  it('tells lines that somebody changed and keeps the others', async () => {
    const path = newPath();
    await filled(path, ['one']);
    appendFileSync(path, 'not JSON\n{"kind":"other","key":"x"}\nnull\n');
    await filled(path, ['two']);
    const journal = await Journal.open(path);
    expect(journal.unreadable).toEqual([2, 3, 4]);
    expect([journal.get('one'), journal.get('two')]).toEqual([entry('one'), entry('two')]);
    await journal.close();
  });

  it('takes no entry in which something is missing or no longer what it was', async () => {
    const path = newPath();
    const metrics = {
      kind: 'metrics',
      key: 'm',
      time: 'then',
      a: 'a',
      b: 'b',
      metrics: { x: 1 },
      reasons: {},
    };
    const lines = [
      { ...entry('one'), accuracy: undefined },
      { ...entry('one'), accuracy: '0.5' },
      { ...entry('one'), accuracy: 93 },
      { ...entry('one'), accuracy: null },
      { ...entry('one'), models: 'a' },
      { ...metrics, metrics: { x: 'much' } },
      { ...metrics, reasons: undefined },
    ];
    await filled(path, ['zero']);
    appendFileSync(path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
    appendFileSync(path, `${JSON.stringify(entry('one')).replace('"accuracy":0.5', '"accuracy":1e999')}\n`);
    const journal = await Journal.open(path);
    expect(journal.unreadable).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect([journal.get('zero'), journal.get('one'), journal.get('m')]).toEqual([
      entry('zero'),
      undefined,
      undefined,
    ]);
    await journal.close();
  });

  it('says the way out where it can not be opened', async () => {
    await expect(Journal.open(at('no-folder/journal'))).rejects.toThrow(
      /^.*no-folder\/journal can not be written: .*; run it again when it can be: everything finished so far is kept$/,
    );
  });

  it('says the way out where there is no room, writes nothing behind half a line, and keeps the rest', async () => {
    const path = newPath();
    await filled(path, ['one']);
    // a process that may write files of two blocks of 512 bytes and no more
    const program = `
      import { Journal } from '${new URL('../../src/calibrate/journal.ts', import.meta.url)}';
      const journal = await Journal.open(process.argv[1]);
      const big = { ...${JSON.stringify(entry('big'))}, task: 'x'.repeat(2000) };
      for (const entry of [big, ${JSON.stringify(entry('small'))}]) {
        await journal.add(entry).then(() => console.log('written'), (error) => console.log(error.message));
      }
      await journal.close();`;
    const args = ['--import', 'tsx', '--input-type=module', '-e', program, path];
    // sh counts blocks of 512 bytes, bash of 1024
    const limited = ['-c', 'ulimit -f 2; exec "$@"', 'sh', process.execPath, ...args];
    const { stdout } = spawnSync('sh', limited, { encoding: 'utf8' });
    const message =
      `${path} can not be written: EFBIG: file too large, write; there is no room left: make some, or give another ` +
      'folder with --work, and run it again: everything finished so far is kept\n';
    expect(stdout).toBe(message + message);
    expect(readFileSync(path).length).toBeGreaterThan(JSON.stringify(entry('one')).length + 1);
    const journal = await Journal.open(path);
    expect([journal.get('one'), journal.get('big'), journal.get('small')]).toEqual([
      entry('one'),
      undefined,
      undefined,
    ]);
    await journal.close();
  });
});
