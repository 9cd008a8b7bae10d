import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MergeguardError } from '../../tensors/errors.js';
import { FUNCTIONS_SOURCE, NEW_OPERATION } from './functions-source.js';
import type { Library } from './library.js';

const run = promisify(execFile);

export interface Compiler {
  readonly command: string;
  /** arguments that come first, as in CXX="ccache g++" */
  readonly leading: readonly string[];
  /** the first line of what `--version` says */
  readonly version: string;
}

/**
 * `$CXX`, else the first of g++, clang++ and c++ that runs.
 *
 * @throws MergeguardError where none does
 */
export async function findCompiler(): Promise<Compiler> {
  const asked = process.env.CXX;
  const candidates = asked ? [asked] : ['g++', 'clang++', 'c++'];
  for (const candidate of candidates) {
    // As a makefile takes it: with arguments, or a wrapper before the compiler. A path may have spaces.
    const [command, ...leading] = existsSync(candidate) ? [candidate] : candidate.trim().split(/\s+/);
    try {
      const { stdout } = await run(command, [...leading, '--version']);
      return { command, leading, version: stdout.split('\n')[0].trim() };
    } catch {
      // the next one, then
    }
  }
  throw new MergeguardError(
    `no C++ compiler: ${candidates.join(', ')} ${candidates.length === 1 ? 'does' : 'do'} not run` +
      `${asked ? ' (that is what CXX names: correct it, or unset it for g++, clang++ or c++)' : ''}; install one (Debian, Ubuntu: \`apt-get install g++\`; Fedora: \`dnf install gcc-c++\`)`,
  );
}

/**
 * Compiles the binding against Node-API, whose binaries fit every Node.js, and links it to the library.
 *
 * @param sources the folder binding/ of tfjs-node
 * @param searchPath where the loader finds the libraries; `$ORIGIN` is the binding's own folder
 * @throws MergeguardError with the compiler's first errors
 */
export async function build(
  { command, leading, version }: Compiler,
  sources: string,
  library: Library,
  searchPath: string,
  out: string,
  signal?: AbortSignal,
): Promise<void> {
  const { include_dir: nodeApi } = createRequire(import.meta.url)('node-api-headers') as {
    include_dir: string;
  };
  const functions = `${out}.functions.cc`;
  await writeFile(functions, FUNCTIONS_SOURCE);
  const parameters = [
    ...leading,
    ...['-std=c++17', '-O2', '-fPIC', '-shared', '-DNAPI_VERSION=8'],
    ...['-I', library.headers, '-I', nodeApi],
    // tfjs-node makes operations by a call that also defines functions.
    ...[`-DTFE_NewOp=${NEW_OPERATION}`, functions],
    ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => join(sources, file)),
    ...library.libraries.map(({ path }) => path),
    // all symbols when it is loaded: what a library lacks is found out now, not in a training
    // not by -Wl, which takes a comma in a path for the end of it
    ...['-Xlinker', '-rpath', '-Xlinker', searchPath, '-Wl,-z,now', '-o', out],
  ];
  try {
    await run(command, parameters, { signal, maxBuffer: 2 ** 26 });
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    const lines = ((error as { stderr?: string }).stderr ?? '').split('\n');
    const errors = lines.filter((line) => /error|undefined|cannot find/i.test(line)).slice(0, 5);
    throw new MergeguardError(
      [
        `${[command, ...leading].join(' ')} (${version}) could not build the binding against ${library.folder}:`,
        ...(errors.length > 0 ? errors : lines.slice(0, 5)).map((line) => `  ${line}`),
      ].join('\n'),
    );
  } finally {
    await rm(functions, { force: true });
  }
  if (!existsSync(out)) {
    throw new MergeguardError(
      `${[command, ...leading].join(' ')} (${version}) has built nothing, and says nothing of an error`,
    );
  }
}
