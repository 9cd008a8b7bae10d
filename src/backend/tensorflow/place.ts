import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MergeguardError, messageOf } from '../../tensors/errors.js';

/** What `mergeguard backend install tensorflow` has put into its folder, as it wrote it down there. */
export interface Installed {
  /** of libtensorflow, as it says itself: "2.21.0" */
  readonly version: string;
  /** where the libraries came from: an absolute path of a wheel, or the folder in which they are used */
  readonly from: string;
  /** whether a GPU was used when it was tried out */
  readonly usedGpu: boolean;
}

/** The names of what lies in the folder. */
export const BINDING = 'tfjs_binding.node';
export const MANIFEST = 'installed.json';
/** libraries of a wheel; their search paths lead to `../nvidia` */
export const LIBRARIES = 'tensorflow';
export const NVIDIA = 'nvidia';

/**
 * The folder of the tensorflow backend: `.mergeguard/tensorflow` in the checkout, or beside the node_modules that mergeguard
 * is installed in. `npm ci` and `npm install` leave it alone.
 */
export function backendFolder(): string {
  return join(outside(packageFolder()), '.mergeguard', 'tensorflow');
}

/** The folder of mergeguard's own package.json. */
function packageFolder(): string {
  let at = dirname(fileURLToPath(import.meta.url));
  while (nameIn(at) !== 'mergeguard') {
    if (dirname(at) === at) {
      throw new MergeguardError(
        'mergeguard is bundled into another program, far from its package.json: the tensorflow backend needs it as an npm package',
      );
    }
    at = dirname(at);
  }
  return at;
}

function nameIn(folder: string): string | null {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name: string }).name;
  } catch {
    return null;
  }
}

function outside(folder: string): string {
  return basename(dirname(folder)) === 'node_modules' ? dirname(dirname(folder)) : folder;
}

/**
 * Null where nothing is installed.
 *
 * @throws MergeguardError where it can not be read
 */
export function readInstalled(folder: string): Installed | null {
  const path = join(folder, MANIFEST);
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Installed;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return null;
    }
    throw new MergeguardError(
      `${path} can not be read: ${messageOf(error)}; \`mergeguard backend uninstall tensorflow\` removes it`,
    );
  }
}
