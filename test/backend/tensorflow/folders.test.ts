import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  newFolder,
  removeFolder,
  removeLeftovers,
  replaceFolder,
} from '../../../src/backend/tensorflow/folders.js';
import { writeText } from './library-files.js';

/** The number of a process that has ended. */
const ended = spawnSync(process.execPath, ['--version']).pid;

let parent: string;
let target: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'folders-'));
  target = join(parent, 'tensorflow');
});
afterEach(() => rmSync(parent, { recursive: true }));

/** The new folder's name as a process that has ended would have made it. */
function leave(text: string, ending = ''): void {
  writeText(join(`${target}-${ended}-aBc123${ending}`, 'which'), text);
}

it('removes what killed installs and uninstalls left, and nothing else', async () => {
  writeText(join(target, 'which'), 'installed');
  writeText(join(parent, 'tensorflow-notes', 'which'), "somebody's");
  leave('half made');
  leave('before', '-old');
  writeText(join(`${target}-${ended}-removed`, 'which'), 'half removed');
  const running = await newFolder(target);
  await removeLeftovers(target);
  expect(readdirSync(parent).sort()).toEqual(
    ['tensorflow', 'tensorflow-notes', running.slice(parent.length + 1)].sort(),
  );
  expect(readFileSync(join(target, 'which'), 'utf8')).toBe('installed');
});

it('brings the one before back where an install was killed between taking it away and putting another there', async () => {
  leave('new');
  leave('before', '-old');
  await removeLeftovers(target);
  expect(readdirSync(parent)).toEqual(['tensorflow']);
  expect(readFileSync(join(target, 'which'), 'utf8')).toBe('before');
});

it('has nothing to do where nothing was ever installed', async () => {
  await removeLeftovers(join(parent, 'none', 'tensorflow'));
  expect(readdirSync(parent)).toEqual([]);
});

it('puts a new folder in the place of the one before, and removes it', async () => {
  for (const text of ['one', 'two']) {
    const made = await newFolder(target);
    writeText(join(made, 'which'), text);
    await replaceFolder(target, made);
    expect(readFileSync(join(target, 'which'), 'utf8')).toBe(text);
    expect(readdirSync(parent)).toEqual(['tensorflow']);
  }
  await removeFolder(target);
  expect(existsSync(target)).toBe(false);
  expect(readdirSync(parent)).toEqual([]);
});
