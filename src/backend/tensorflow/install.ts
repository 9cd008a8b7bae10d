import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { listProblems, MergeguardError, messageOf } from '../../tensors/errors.js';
import { build, type Compiler, findCompiler } from './compiler.js';
import { type CudaPart, findCuda } from './cuda.js';
import { newFolder, removeFolder, removeLeftovers, replaceFolder } from './folders.js';
import { findLibrary, type Library } from './library.js';
import { BINDING, backendFolder, type Installed, LIBRARIES, MANIFEST, NVIDIA } from './place.js';
import { findInstalled, placeSources, SOURCES } from './sources.js';
import type { TriedOut } from './try-out.js';
import { checkVersion, readMetadata, versionInHeaders, versionInMetadata } from './version.js';
import { checkWheel, unpackWheel } from './wheel.js';

export interface InstallOptions {
  /** a libtensorflow that is used where it lies: the folder of an unpacked one, or of a Python installation's */
  readonly libtensorflow?: string;
  /** or a .whl file, whose libraries are unpacked */
  readonly wheel?: string;
  /** a folder that holds `nvidia`, NVIDIA's pip packages, for the libraries of a wheel */
  readonly cuda?: string;
  /** hears of each step */
  readonly onStep?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface InstallReport extends Installed {
  readonly folder: string;
  /** what it will look for to use a GPU; empty for a library without CUDA */
  readonly cuda: readonly CudaPart[];
  /** TensorFlow's own warnings as it was tried out */
  readonly warnings: readonly string[];
}

/**
 * Builds tfjs-node's binding against a libtensorflow and tries it out, all in a folder beside the backend's, which it then replaces at once:
 * what fails leaves everything as it was.
 *
 * @throws MergeguardError with all that is missing, or what went wrong
 */
export async function installTensorflow(options: InstallOptions): Promise<InstallReport> {
  const { wheel, signal, onStep = () => undefined } = options;
  const { compiler, sources, unpacked } = await checkFirst(options);
  const target = backendFolder();
  await removeLeftovers(target);
  const folder = await newFolder(target);
  try {
    if (wheel !== undefined) {
      onStep(`unpacking the libraries of ${wheel}`);
      await unpackWheel(resolve(wheel), folder, signal);
      if (options.cuda !== undefined) {
        await symlink(join(resolve(options.cuda), NVIDIA), join(folder, NVIDIA));
      }
    }
    const from = resolve(wheel ?? (options.libtensorflow as string));
    const { library, cuda } = unpacked ?? (await readLibrary(join(folder, LIBRARIES)));
    onStep('placing the sources of tfjs-node');
    await placeSources(folder, sources, signal);
    onStep(`compiling the binding with ${compiler.version}`);
    const searchPath = wheel === undefined ? library.folder : `$ORIGIN/${LIBRARIES}`;
    await build(
      compiler,
      join(folder, SOURCES, 'binding'),
      library,
      searchPath,
      join(folder, BINDING),
      signal,
    );
    // only the libraries of a wheel are used from here on
    await rm(join(folder, LIBRARIES, 'include'), { recursive: true, force: true });
    onStep('trying it out');
    const { triedOut, warnings } = await tryOut(folder, signal);
    const installed: Installed = { ...triedOut, from };
    await writeFile(join(folder, MANIFEST), `${JSON.stringify(installed)}\n`);
    // a gigabyte that no project wants in its repository
    await writeFile(join(folder, '.gitignore'), '*\n');
    // mkdtemp makes a folder for its owner alone
    await chmod(folder, 0o755);
    await replaceFolder(target, folder);
    const moved = (path: string | null) => path?.replace(folder, target) ?? null;
    const places = cuda.map((part) => ({ ...part, path: moved(part.path), foreign: moved(part.foreign) }));
    return { ...installed, folder: target, cuda: places, warnings };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Removes what was installed. False where there was nothing. */
export async function uninstallTensorflow(): Promise<boolean> {
  const folder = backendFolder();
  await removeLeftovers(folder);
  if (!existsSync(folder)) {
    return false;
  }
  await removeFolder(folder);
  return true;
}

/** A library that lies where it will be used, and what it will find there. */
interface Unpacked {
  readonly library: Library;
  readonly cuda: readonly CudaPart[];
}

/** @throws MergeguardError with everything that is wrong with it, as far as that can be known without running it */
async function readLibrary(path: string): Promise<Unpacked> {
  const library = await findLibrary(path);
  const metadata = await readMetadata(dirname(resolve(path)));
  const version = versionInMetadata(metadata) ?? (await versionInHeaders(library.headers));
  if (version !== null) {
    checkVersion(version, library.folder);
  }
  return { library, cuda: await findCuda(library, library.folder, metadata) };
}

/** What can be known before anything is unpacked or fetched, all of it at once. */
async function checkFirst({ libtensorflow, wheel, cuda }: InstallOptions): Promise<{
  compiler: Compiler;
  /** the folder of an installed tfjs-node, null where it is to be fetched */
  sources: string | null;
  /** undefined for a wheel */
  unpacked: Unpacked | undefined;
}> {
  const problems: string[] = [];
  const check = async <Result>(work: Promise<Result>): Promise<Result | undefined> => {
    try {
      return await work;
    } catch (error) {
      problems.push(...messageOf(error).split('\n'));
      return undefined;
    }
  };
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    problems.push(
      `this is ${process.platform} on ${process.arch}; TensorFlow's wheels hold libraries to link to for Linux on x64 and arm64. ` +
        'On others, `npm install @tensorflow/tfjs-node@4.22.0` downloads one for the CPU where there is one',
    );
  }
  const compiler = await check(findCompiler());
  const sources = await check(findInstalled());
  const unpacked = libtensorflow === undefined ? undefined : await check(readLibrary(libtensorflow));
  if (wheel !== undefined) {
    await check(checkWheel(wheel));
  }
  if (cuda !== undefined && !existsSync(join(cuda, NVIDIA))) {
    problems.push(
      `${cuda} holds no folder ${NVIDIA}: give the site-packages that NVIDIA's pip packages are installed in`,
    );
  }
  if (compiler === undefined || sources === undefined || problems.length > 0) {
    throw new MergeguardError(listProblems('the tensorflow backend can not be installed:', problems));
  }
  return { compiler, sources, unpacked };
}

/** In a process of its own: a library that does not fit may end it. */
async function tryOut(
  folder: string,
  signal?: AbortSignal,
): Promise<{ triedOut: TriedOut; warnings: string[] }> {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const program = fileURLToPath(new URL(`./try-out${ending}`, import.meta.url));
  try {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [...process.execArgv, program, folder],
      { signal, env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '0' } },
    );
    const triedOut = JSON.parse(stdout) as TriedOut;
    checkVersion(triedOut.version, 'this libtensorflow');
    return {
      triedOut,
      warnings: stderr
        .split('\n')
        .filter((line) => /^(\S+ \S+ )?[WE]\d* /.test(line) || /could not load dynamic/i.test(line)),
    };
  } catch (error) {
    if (error instanceof MergeguardError || signal?.aborted) {
      throw error;
    }
    const { stderr = '', signal: killedBy } = error as { stderr?: string; signal?: string };
    const said = stderr.split('\n').filter((line) => /error|cannot|undefined/i.test(line));
    throw new MergeguardError(
      listProblems(
        `the binding was built, but does not run${killedBy ? ` (${killedBy})` : ''}; nothing was installed:`,
        said.length > 0 ? said.slice(0, 4) : [messageOf(error)],
      ),
    );
  }
}
