import { constants, type Stats } from 'node:fs';
import { access, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MergeguardError, messageOf } from '../tensors/errors.js';

/**
 * Finds out before the work whether its result can be written.
 *
 * @param overwrite whether a file that is there already may be lost
 * @param inputs what is read, files or folders of models: these may not be lost at all
 * @throws MergeguardError when it can not, or there is a file that may not be lost
 */
export async function checkPlace(
  path: string,
  overwrite: boolean,
  inputs: readonly string[] = [],
): Promise<void> {
  const folder = dirname(path);
  const [found, around] = await Promise.all([path, folder].map((each) => stat(each).catch(() => null)));
  if (around === null || !around.isDirectory()) {
    throw new MergeguardError(`${path} can not be written: there is no folder ${folder}; make it first`);
  }
  if (found !== null && !found.isFile()) {
    const what = found.isDirectory() ? 'a folder' : 'no plain file';
    throw new MergeguardError(`${path} can not be written: it is ${what}; give the name of a file`);
  }
  for (const input of inputs) {
    if (found !== null && (await isPartOf(input, path, found))) {
      throw new MergeguardError(`${path} can not be written: it is read as ${input}; choose another name`);
    }
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

/** Names that files of a model have in its folder. */
const MODEL_FILE = /^(adapter_)?(model|config).*\.(safetensors|json)$/;

/** Whether a file is an input, or holds a part of the model that an input folder is; whatever links lead there. */
async function isPartOf(input: string, path: string, { dev, ino }: Stats): Promise<boolean> {
  const places = MODEL_FILE.test(basename(path)) ? [input, join(input, basename(path))] : [input];
  const found = await Promise.all(places.map((place) => stat(place).catch(() => null)));
  return found.some((other) => other !== null && other.dev === dev && other.ino === ino);
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
