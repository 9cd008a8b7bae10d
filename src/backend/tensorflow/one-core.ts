import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { MergeguardError } from '../../tensors/errors.js';

const require = createRequire(import.meta.url);
const CORE = '@tensorflow/tfjs-core';

/**
 * tfjs keeps its engine and its kernels in globals: a second copy of tfjs-core in a process registers every kernel once more, and the
 * tensors of one are none of the other's.
 *
 * @param from a file whose tfjs is about to be loaded beside mergeguard's
 * @throws MergeguardError with the paths and versions of both where these are two copies
 */
export function checkOneCore(from: string): void {
  const own = coreOf(createRequire(require.resolve('@tensorflow/tfjs/package.json')));
  const path = createRequire(from).resolve('@tensorflow/tfjs/package.json');
  const theirs = coreOf(createRequire(path));
  if (own !== theirs) {
    throw new MergeguardError(
      `two copies of ${CORE} in one process: ${described(own)} is mergeguard's, ${described(theirs)} that of ${from}; ` +
        'install the same version of @tensorflow/tfjs for both (`npm dedupe` makes them one), then install the backend again',
    );
  }
}

/** The folder of tfjs-core, with links resolved. */
function coreOf(resolver: NodeJS.Require): string {
  return realpathSync(dirname(resolver.resolve(`${CORE}/package.json`)));
}

function described(folder: string): string {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return `${folder} (${version})`;
}
