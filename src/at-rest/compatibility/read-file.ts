import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../tensors/index.js';
import { shown } from './words.js';

/** The largest tokenizer.json that is known has 35 MB; beyond this it is something else by that name. */
export const MOST_BYTES = 128 * 2 ** 20;

/** The text of a file that need not be there; undefined where it isn't, or can't be read (then a problem more). */
export async function readText(
  folder: string,
  file: string,
  problems: string[],
): Promise<string | undefined> {
  const path = join(folder, file);
  try {
    const { size } = await stat(path);
    if (size > MOST_BYTES) {
      problems.push(`"${path}" is not compared: it has ${size} bytes, more than ${MOST_BYTES}`);
      return undefined;
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      problems.push(`"${path}" is not compared: it can't be read (${messageOf(error)})`);
    }
    return undefined;
  }
}

/** The value in a JSON file that need not be there; undefined where it isn't, or is broken (then a problem more). */
export async function readJson(folder: string, file: string, problems: string[]): Promise<unknown> {
  const text = await readText(folder, file, problems);
  if (text === undefined) {
    return undefined;
  }
  try {
    return parsePythonJson(text);
  } catch (error) {
    const path = join(folder, file);
    problems.push(
      `"${path}" is not compared: it is not JSON (${shown(messageOf(error))}); mend it or delete it`,
    );
    return undefined;
  }
}

/**
 * JSON as Python writes it: with bare NaN and Infinity, which JSON.parse refuses (`time_step_limit` of Mamba 2 is
 * [0.0, Infinity]). They become strings: they are only compared and shown.
 */
function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // A string is matched whole, so that these words within it stay what they are.
    const quoted = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\bInfinity\b|\bNaN\b/gs, (found) => {
      return found.startsWith('"') ? found : `"${found}"`;
    });
    if (quoted === text) {
      throw error;
    }
    return JSON.parse(quoted);
  }
}
