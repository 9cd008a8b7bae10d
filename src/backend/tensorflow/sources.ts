import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { MergeguardError } from '../../tensors/errors.js';

const require = createRequire(import.meta.url);

/** The package whose sources are built, in the version of mergeguard's own tfjs, and the one package that it needs of others. */
const PACKAGE = '@tensorflow/tfjs-node';
const VERSION = '4.22.0';
const NEEDED = 'google-protobuf';
/** What is fetched where no tfjs-node is installed: these files and no others, whatever a registry says. */
const FETCHED: Readonly<Record<string, { version: string; integrity: string }>> = {
  [PACKAGE]: {
    version: VERSION,
    integrity:
      'sha512-uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==',
  },
  [NEEDED]: {
    version: '3.21.4',
    integrity:
      'sha512-MnG7N936zcKTco4Jd2PX2U96Kf9PxygAPKBug+74LHzmHXmceN16MmRcdgZv+DGef/S9YvQAfRsNCn4cjf9yyQ==',
  },
};

/** The sources in a folder of ours, as `require` finds them from there. */
export const SOURCES = join('node_modules', PACKAGE);

/**
 * Puts tfjs-node's sources into `folder`/node_modules: those of an installed @tensorflow/tfjs-node-gpu or
 * @tensorflow/tfjs-node, else fetched by npm, without running the install script, which would download an old libtensorflow. A link
 * beside them makes mergeguard's own tfjs theirs: a process can have but one.
 *
 * @param installed the folder of an installed one, as `findInstalled` gives it
 * @throws MergeguardError where npm fails
 */
export async function placeSources(
  folder: string,
  installed: string | null,
  signal?: AbortSignal,
): Promise<void> {
  if (installed === null) {
    await fetchPackages(folder, signal);
  } else {
    const from = createRequire(join(installed, 'package.json'));
    await copyPackage(installed, join(folder, SOURCES), ['binding', 'dist', 'package.json']);
    await copyPackage(dirname(from.resolve(`${NEEDED}/package.json`)), join(folder, 'node_modules', NEEDED));
  }
  await symlink(
    dirname(require.resolve('@tensorflow/tfjs/package.json')),
    join(folder, 'node_modules', '@tensorflow', 'tfjs'),
  );
}

/**
 * The folder of an installed tfjs-node, with a GPU or not; null where there is none.
 *
 * @throws MergeguardError where it has another version than mergeguard's tfjs
 */
export async function findInstalled(): Promise<string | null> {
  for (const name of [`${PACKAGE}-gpu`, PACKAGE]) {
    let path: string;
    try {
      path = require.resolve(`${name}/package.json`);
    } catch {
      continue;
    }
    const { version } = JSON.parse(await readFile(path, 'utf8')) as { version: string };
    if (version !== VERSION) {
      throw new MergeguardError(
        `${dirname(path)} is ${name} ${version}, mergeguard's tfjs is ${VERSION}: \`npm install --ignore-scripts ${name}@${VERSION}\` ` +
          `makes them one, \`npm uninstall ${name}\` does without`,
      );
    }
    return dirname(path);
  }
  return null;
}

async function copyPackage(from: string, to: string, parts: readonly string[] = ['']): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const part of parts) {
    await cp(join(from, part), join(to, part), { recursive: true });
  }
}

/** `npm ci` on a lock file of these two packages alone: it checks their hashes, and leaves out what they would bring with them. */
async function fetchPackages(folder: string, signal?: AbortSignal): Promise<void> {
  const dependencies = Object.fromEntries(
    Object.entries(FETCHED).map(([name, { version }]) => [name, version]),
  );
  const packages = Object.fromEntries(
    Object.entries(FETCHED).map(([name, entry]) => [`node_modules/${name}`, entry]),
  );
  const at = join(folder, 'fetched');
  await mkdir(at);
  await writeFile(join(at, 'package.json'), JSON.stringify({ private: true, dependencies }));
  await writeFile(
    join(at, 'package-lock.json'),
    JSON.stringify({ lockfileVersion: 3, requires: true, packages: { '': { dependencies }, ...packages } }),
  );
  try {
    await promisify(execFile)('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: at,
      signal,
    });
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    const said = code === 'ENOENT' ? 'there is no npm on the PATH' : (stderr ?? '').trim().split('\n')[0];
    throw new MergeguardError(
      `the sources of ${PACKAGE} ${VERSION} could not be fetched: ${said}; where npm can reach a registry, ` +
        `\`npm install --ignore-scripts ${PACKAGE}@${VERSION}\` brings them, and this command then uses those`,
    );
  }
  await rename(join(at, 'node_modules'), join(folder, 'node_modules'));
  await rm(at, { recursive: true });
}
