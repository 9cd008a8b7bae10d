import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MergeguardError } from '../../../src/tensors/index.js';

/**
 * Pieces of work whose results are kept as JSON files, one each, so that work which was killed goes on where it was. A file is
 * there whole or not at all.
 */
export class Units {
  readonly #folder: string | null;
  #made = 0;

  private constructor(folder: string | null) {
    this.#folder = folder;
  }

  /** @param folder null: nothing is kept @throws MergeguardError where it can't be made */
  static async open(folder: string | null): Promise<Units> {
    try {
      if (folder !== null) {
        await mkdir(folder, { recursive: true });
      }
    } catch (error) {
      throw new MergeguardError(
        `the cache's folder ${folder} can't be made (${(error as Error).message}); choose another with --cache`,
      );
    }
    return new Units(folder);
  }

  /** how many were not there and have been made */
  get made(): number {
    return this.#made;
  }

  /**
   * The unit's result, made where there is none yet.
   * @param name readable, of what file names may hold
   * @param inputs JSON of everything that the result depends on
   */
  async get<Value>(name: string, inputs: unknown, make: () => Promise<Value>): Promise<Value> {
    if (this.#folder === null) {
      return make();
    }
    const key = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16);
    const path = join(this.#folder, `${name}-${key}.json`);
    try {
      return JSON.parse(await readFile(path, 'utf8')) as Value;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && !(error instanceof SyntaxError)) {
        throw error;
      }
    }
    const value = await make();
    this.#made += 1;
    await writeFile(`${path}.part`, JSON.stringify(value));
    await rename(`${path}.part`, path);
    return value;
  }
}
