import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileProblem } from '../tensors/errors.js';
import { listProblems, MergeguardError } from '../tensors/index.js';
import { checksumOf } from './checksum.js';
import { inconsistencies } from './consistency.js';
import { FILE_VERSION, type Fingerprint, FORMAT, fingerprintSchema } from './schema.js';

/** Of a file's problems; a file that was cut or is of something else has hundreds. */
const MOST_PROBLEMS = 10;

/**
 * Reads and checks a fingerprint.
 *
 * @param nameOrPath a bare name is one that is shipped (`demo`), or else a file of that name; anything with a slash or
 *   `.json` is a path
 * @throws MergeguardError for an unknown name (listing the shipped ones) or a missing, malformed, tampered,
 *   newer or older file
 */
export async function loadFingerprint(nameOrPath: string): Promise<Fingerprint> {
  const bare = !/[\\/]|\.json$/.test(nameOrPath);
  const shipped = join(shippedFolder(), `${nameOrPath}.json`);
  const path = bare && (existsSync(shipped) || !existsSync(nameOrPath)) ? shipped : nameOrPath;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (bare) {
      const names = await shippedFingerprints();
      throw new MergeguardError(
        `no fingerprint is called "${nameOrPath}"; shipped: ${names.join(', ') || 'none'}; ` +
          'for a file of your own give its path',
      );
    }
    throw new MergeguardError(`the fingerprint ${path} can not be read: ${fileProblem(error)}`);
  }
  return parseFingerprint(text, path);
}

/** Names of the fingerprints that come with the package. */
export async function shippedFingerprints(): Promise<string[]> {
  const folder = shippedFolder();
  const files = existsSync(folder) ? await readdir(folder) : [];
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

/** @param path only for the error messages */
export function parseFingerprint(text: string, path: string): Fingerprint {
  const refuse = (reason: string) => new MergeguardError(`the fingerprint ${path} is refused: ${reason}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // What JSON.parse says quotes the file, which may be anything.
    throw refuse('it is not JSON');
  }
  const { format, version, checksum, ...rest } = (json ?? {}) as Record<string, unknown>;
  if (format !== FORMAT) {
    throw refuse(`its format is ${JSON.stringify(format)}, not "${FORMAT}"`);
  }
  if (typeof version === 'number' && version > FILE_VERSION) {
    throw refuse(
      `it has version ${version}, this mergeguard reads version ${FILE_VERSION}; update mergeguard`,
    );
  }
  if (typeof version === 'number' && version < FILE_VERSION) {
    throw refuse(
      `it has version ${version}, this mergeguard reads version ${FILE_VERSION}, which holds what older ones lack; ` +
        'fit it again from its table',
    );
  }
  const parsed = fingerprintSchema.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || '(top)'}: ${issue.message}`,
    );
    throw refuse(listProblems('it is malformed:', problems, MOST_PROBLEMS));
  }
  if (checksumOf({ format, version, ...rest }) !== checksum) {
    throw refuse('its checksum does not fit its content: it was changed after it was written; fit it again');
  }
  const contradictions = inconsistencies(parsed.data);
  if (contradictions.length > 0) {
    throw refuse(listProblems('it contradicts itself; fit it again:', contradictions, MOST_PROBLEMS));
  }
  return parsed.data;
}

/** @throws ZodError or MergeguardError for a fingerprint that could not be read again; nothing is written then */
export async function writeFingerprint(path: string, fingerprint: Fingerprint): Promise<void> {
  const { checksum: _, ...content } = fingerprint;
  const checked = fingerprintSchema.parse({ ...content, checksum: checksumOf(content) });
  const contradictions = inconsistencies(checked);
  if (contradictions.length > 0) {
    throw new MergeguardError(
      listProblems(`the fingerprint ${checked.name} is not written, it contradicts itself:`, contradictions),
    );
  }
  await writeFile(path, `${JSON.stringify(checked, null, 1)}\n`);
}

/** config/fingerprints of the package that this file is part of, run from source or from dist. */
function shippedFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new Error('no package.json above the fingerprint module');
    }
    folder = parent;
  }
  return join(folder, 'config', 'fingerprints');
}
