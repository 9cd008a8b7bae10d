import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { MergeguardError } from '../tensors/errors.js';

/**
 * tfjs keeps its engine and its kernels in globals. A second copy of tfjs-core in the process registers every kernel once more, and a
 * variable of one is none to the other.
 */
const CORE = '@tensorflow/tfjs-core';
const FOLDER = join('node_modules', CORE) + sep;

const require = createRequire(import.meta.url);

/** @throws MergeguardError where the program has loaded another tfjs-core than mergeguard's */
export function checkLoadedCores(): void {
  const own = ownCore();
  for (const file of Object.keys(require.cache)) {
    const at = file.lastIndexOf(FOLDER);
    if (at >= 0) {
      const folder = file.slice(0, at + FOLDER.length - 1);
      if (folder !== own) {
        throw twoCores(own, folder, 'was loaded by the program');
      }
    }
  }
}

/**
 * @param from a file whose tfjs is about to be loaded beside mergeguard's
 * @throws MergeguardError where that is another copy, or there is none
 */
export function checkOneCore(from: string): void {
  const own = ownCore();
  const theirs = coreOf(createRequire(from).resolve('@tensorflow/tfjs/package.json'));
  if (own !== theirs) {
    throw twoCores(own, theirs, `is what ${from} would load`);
  }
}

function ownCore(): string {
  return coreOf(require.resolve('@tensorflow/tfjs/package.json'));
}

/** The folder of the tfjs-core that a package of tfjs uses, with links resolved. */
function coreOf(path: string): string {
  return realpathSync(dirname(createRequire(realpathSync(path)).resolve(`${CORE}/package.json`)));
}

function twoCores(own: string, other: string, why: string): MergeguardError {
  return new MergeguardError(
    `two copies of ${CORE} in one process: ${described(own)} is mergeguard's, ${described(other)} ${why}; ` +
      `install one version of @tensorflow/tfjs for both: mergeguard's, and \`npm dedupe\``,
  );
}

function described(folder: string): string {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return `${folder} (${version})`;
}
