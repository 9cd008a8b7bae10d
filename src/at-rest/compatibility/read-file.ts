import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileProblem, messageOf } from '../../tensors/index.js';
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
      problems.push(`"${path}" is not compared: it can't be read (${fileProblem(error)})`);
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
    const quoted = quoteBareWords(text);
    if (quoted === text) {
      throw error;
    }
    return JSON.parse(quoted);
  }
}

/** NaN and Infinity in quotes, but for those within strings. One pass: a string that never ends takes the rest of the text. */
function quoteBareWords(text: string): string {
  const word = /-?\bInfinity\b|\bNaN\b/y;
  const pieces: string[] = [];
  let kept = 0;
  let at = 0;
  while (at < text.length) {
    if (text[at] === '"') {
      at = endOfString(text, at);
      continue;
    }
    word.lastIndex = at;
    const [found] = word.exec(text) ?? [];
    if (found === undefined) {
      at += 1;
    } else {
      pieces.push(text.slice(kept, at), `"${found}"`);
      at += found.length;
      kept = at;
    }
  }
  return pieces.join('') + text.slice(kept);
}

/** Where the string that begins at `start` is over, behind its quote or with the text. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') {
    at += text[at] === '\\' ? 2 : 1;
  }
  return at + 1;
}
