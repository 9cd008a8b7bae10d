import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** What of a folder makes the model: weights and what says how they are put together. */
const MODEL_FILE = /\.(safetensors|json)$/;

/**
 * Identity of a model by its content: SHA-256 of its file; of a folder or an index of shards, of every file that it is made of
 * with its name. Wherever it lies and whenever it was written.
 */
export async function contentIdentity(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const files = await filesOf(path);
  for (const file of files) {
    if (files.length > 1) {
      hash.update(`${basename(file)}\n`);
    }
    await addFile(hash, file, signal);
  }
  return hash.digest('hex');
}

async function filesOf(path: string): Promise<string[]> {
  if ((await stat(path)).isDirectory()) {
    const names = (await readdir(path)).filter((name) => MODEL_FILE.test(name)).sort();
    return names.map((name) => join(path, name));
  }
  if (path.endsWith('.json')) {
    const index = JSON.parse(await readFile(path, 'utf8')) as { weight_map?: Record<string, string> };
    const shards = [...new Set(Object.values(index.weight_map ?? {}))].sort();
    return [path, ...shards.map((shard) => join(dirname(path), shard))];
  }
  return [path];
}

async function addFile(hash: Hash, path: string, signal: AbortSignal | undefined): Promise<void> {
  const stream = createReadStream(path, { highWaterMark: 1 << 20, signal });
  for await (const chunk of stream) {
    hash.update(chunk as Buffer);
  }
}

/** Stands for anything that can be written as JSON. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
