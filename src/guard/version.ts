import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's version, read from the nearest package.json that is mergeguard's own. */
export const VERSION = readVersion(dirname(fileURLToPath(import.meta.url)));

function readVersion(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    const version = versionIn(join(at, 'package.json'));
    if (version !== null) {
      return version;
    }
    if (dirname(at) === at) {
      // bundled into another program, far from its package.json: no reason to stop a training
      return 'unknown';
    }
  }
}

function versionIn(path: string): string | null {
  try {
    const { name, version } = JSON.parse(readFileSync(path, 'utf8')) as { name?: unknown; version?: unknown };
    return name === 'mergeguard' && typeof version === 'string' ? version : null;
  } catch {
    return null;
  }
}
