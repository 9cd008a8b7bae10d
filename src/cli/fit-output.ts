import { constants } from 'node:fs';
import { access, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MergeguardError, messageOf } from '../tensors/errors.js';

/**
 * Finds out before the work whether its result can be written.
 *
 * @param overwrite whether a file that is there already may be lost
 * @throws MergeguardError when it can not, or there is a file that may not be lost
 */
export async function checkPlace(path: string, overwrite: boolean): Promise<void> {
  const folder = dirname(path);
  const [found, around] = await Promise.all([path, folder].map((each) => stat(each).catch(() => null)));
  if (around === null || !around.isDirectory()) {
    throw new MergeguardError(`${path} can not be written: there is no folder ${folder}; make it first`);
  }
  if (found !== null && !found.isFile()) {
    const what = found.isDirectory() ? 'a folder' : 'no plain file';
    throw new MergeguardError(`${path} can not be written: it is ${what}; give the name of a file`);
  }
  if (found !== null && !overwrite) {
    throw new MergeguardError(`${path} is there already; --force overwrites it`);
  }
  try {
    await access(folder, constants.W_OK);
  } catch (error) {
    throw new MergeguardError(`${path} can not be written: ${messageOf(error)}`);
  }
}

/** Writes a file under another name beside `path` and renames it: at `path` there is never a part of a file. */
export async function writeWhole(path: string, write: (path: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await write(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error instanceof MergeguardError
      ? error
      : new MergeguardError(`${path} can not be written: ${messageOf(error)}`);
  }
}
