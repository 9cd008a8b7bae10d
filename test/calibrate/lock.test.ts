import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lockFolder } from '../../src/calibrate/lock.js';
import { disk } from '../at-rest/models-on-disk.js';

const { at, write } = disk();
beforeAll(() => write('unused', new Map()));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) {
    child.kill('SIGKILL');
  }
});

function folder(name: string): string {
  mkdirSync(at(name));
  return at(name);
}

/** Another process that takes the folder and keeps it. */
async function otherHolder(path: string): Promise<ChildProcess> {
  const program = `
    import { lockFolder } from '${new URL('../../src/calibrate/lock.ts', import.meta.url)}';
    await lockFolder(process.argv[1]);
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program, path]);
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}

describe('the lock of a work folder', () => {
  it('is held by one and can be had again when it is given back', async () => {
    const work = folder('one');
    const unlock = await lockFolder(work);
    await expect(lockFolder(work)).rejects.toThrow(
      `the work folder ${work} is in use: process ${process.pid} works there; wait for its end, or give another folder ` +
        `with --work (if nothing works there any more, delete ${join(work, 'lock')})`,
    );
    await unlock();
    expect(readdirSync(work)).toEqual([]);
    await (await lockFolder(work))();
  });

  it('is not held for ever by a process that was killed', async () => {
    const work = folder('killed');
    const child = await otherHolder(work);
    await expect(lockFolder(work)).rejects.toThrow(`process ${child.pid} works there`);
    const dead = once(child, 'exit');
    child.kill('SIGKILL');
    await dead;
    expect(existsSync(join(work, 'lock'))).toBe(true);
    const unlock = await lockFolder(work);
    expect(readdirSync(work)).toEqual(['lock']);
    expect(JSON.parse(readFileSync(join(work, 'lock'), 'utf8')).pid).toBe(process.pid);
    await unlock();
  });

  it.runIf(process.platform === 'linux')(
    'is not held by a process that has the id of a dead one',
    async () => {
      const work = folder('reused');
      writeFileSync(join(work, 'lock'), JSON.stringify({ pid: process.pid, host: hostname(), began: '1' }));
      await (await lockFolder(work))();
      expect(readdirSync(work)).toEqual([]);
    },
  );

  it('is left to another machine, of whose processes nothing is known', async () => {
    const work = folder('elsewhere');
    writeFileSync(join(work, 'lock'), JSON.stringify({ pid: 4, host: 'elsewhere', began: null }));
    await expect(lockFolder(work)).rejects.toThrow('is in use: process 4 on elsewhere works there');
    writeFileSync(join(work, 'lock'), 'not ours');
    await expect(lockFolder(work)).rejects.toThrow(`the lock ${join(work, 'lock')} can not be read`);
    expect(readFileSync(join(work, 'lock'), 'utf8')).toBe('not ours');
  });

  it('says so where the folder can not be written to', async () => {
    await expect(lockFolder(at('nowhere'))).rejects.toThrow(
      /^the work folder .*nowhere can not be used: ENOENT/,
    );
  });
});
