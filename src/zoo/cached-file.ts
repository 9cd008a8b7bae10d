import { join } from 'node:path';
import { MergeguardError } from '../tensors/index.js';

/** A file of the cache, made and written where it is missing or of no use (half-written, older, of another base). */
export async function cachedFile<Value>(
  folder: string | null,
  name: string,
  how: {
    read(path: string): Promise<Value>;
    make(): Promise<Value>;
    write(path: string, value: Value): Promise<void>;
  },
): Promise<Value> {
  if (folder === null) {
    return how.make();
  }
  const path = join(folder, name);
  try {
    return await how.read(path);
  } catch (error) {
    if (!(error instanceof MergeguardError)) {
      throw error;
    }
  }
  const value = await how.make();
  await how.write(path, value);
  return value;
}
