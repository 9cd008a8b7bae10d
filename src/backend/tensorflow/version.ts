import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MergeguardError } from '../../tensors/errors.js';

/** Up to some version the headers say which one they are of; later ones leave it to the build. */
const VERSION_HEADER = join('tensorflow', 'core', 'public', 'version.h');

/**
 * The C API that the binding calls is in libtensorflow since 2.9, and stays as it is up to 3.
 *
 * @param of what is of this version, for people
 * @throws MergeguardError where it is another
 */
export function checkVersion(version: string, of: string): void {
  const [major, minor] = version.split('.').map(Number);
  if (major !== 2 || minor < 9) {
    throw new MergeguardError(
      `${of} is TensorFlow ${version}; the binding of tfjs-node 4.22 wants 2.9 or a later 2`,
    );
  }
}

/** What the wheel in this folder requires, in the words of its METADATA; empty where it holds none of TensorFlow's. */
export async function readMetadata(folder: string): Promise<string> {
  const names = await readdir(folder);
  const info = names.find((name) => /^tensorflow(_cpu)?-[^-]*\.dist-info$/.test(name));
  return info === undefined ? '' : readFile(join(folder, info, 'METADATA'), 'utf8');
}

/** "2.21.0"; null where it is not said. */
export function versionInMetadata(metadata: string): string | null {
  return /^Version: (\S+)/m.exec(metadata)?.[1] ?? null;
}

/** "2.15.1"; null where they do not say. */
export async function versionInHeaders(headers: string): Promise<string | null> {
  const text = await readFile(join(headers, VERSION_HEADER), 'utf8').catch(() => '');
  const numbers = ['MAJOR', 'MINOR', 'PATCH'].map(
    (part) => new RegExp(`^#define TF_${part}_VERSION (\\d+)`, 'm').exec(text)?.[1],
  );
  return numbers.includes(undefined) ? null : numbers.join('.');
}
