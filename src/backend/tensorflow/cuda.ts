import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { Library } from './library.js';

/** A part of CUDA that a library opens when it starts to use a GPU. */
export interface CudaPart {
  /** "libcudnn" */
  readonly name: string;
  /** the pip package that carries it: "nvidia-cudnn-cu12" */
  readonly pipPackage: string;
  /** the file that the library opens: "libcudnn.so.9"; null where its headers do not say which version */
  readonly wanted: string | null;
  /** the file found, null where there is none */
  readonly path: string | null;
  /** one of another version, which is of no use, where no other was found */
  readonly foreign: string | null;
}

/** By the folder that NVIDIA's pip packages unpack into; without any of these, TensorFlow leaves the GPU alone. */
const PARTS: Readonly<Record<string, string>> = {
  cuda_runtime: 'libcudart',
  cublas: 'libcublas',
  cufft: 'libcufft',
  cusolver: 'libcusolver',
  cusparse: 'libcusparse',
  cudnn: 'libcudnn',
};

/** Among the headers of a library for CUDA: "#define TF_CUDNN_VERSION "9"". */
const VERSIONS = join('third_party', 'gpus', 'cuda', 'cuda_config.h');

/**
 * Looks where the loader will: the library's own search paths, LD_LIBRARY_PATH, the system's cache.
 *
 * @param origin the folder that the libraries will be loaded from
 * @param metadata of the wheel, which names pip packages; empty where there is none
 * @returns empty for a library that is not built for CUDA
 */
export async function findCuda(library: Library, origin: string, metadata: string): Promise<CudaPart[]> {
  if (!library.isForCuda) {
    return [];
  }
  const folders = [
    ...library.libraries.flatMap(({ searchPaths }) => searchPaths),
    ...(process.env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean),
  ].map((path) => path.replace('$ORIGIN', origin));
  const cached = await loaderCache();
  const files: string[] = [];
  for (const folder of folders) {
    const names = await readdir(folder).catch((): string[] => []);
    files.push(...names.map((name) => join(folder, name)));
  }
  files.push(...cached);
  const versions = await readFile(join(library.headers, VERSIONS), 'utf8').catch(() => '');
  return Object.entries(PARTS).map(([folder, name]) => {
    const wanted = wantedFile(name, versions);
    const found = files.filter((file) => basename(file).startsWith(`${name}.so.`));
    const path = (wanted === null ? found[0] : found.find((file) => basename(file) === wanted)) ?? null;
    const foreign = path === null ? (found[0] ?? null) : null;
    return { name, pipPackage: pipPackage(folder, metadata), wanted, path, foreign };
  });
}

/** The library has its version in its code, and no table of it says which; the headers of one that is not for CUDA have "". */
function wantedFile(name: string, versions: string): string | null {
  const define = `TF_${name.slice('lib'.length).toUpperCase()}_VERSION`;
  const version = new RegExp(`^#define ${define} "([\\d.]+)"`, 'm').exec(versions)?.[1];
  return version === undefined ? null : `${name}.so.${version}`;
}

/** Paths of the system's libraries; empty where there is no cache, as on musl. */
async function loaderCache(): Promise<string[]> {
  for (const command of ['ldconfig', '/sbin/ldconfig']) {
    try {
      const { stdout } = await promisify(execFile)(command, ['-p'], { maxBuffer: 2 ** 24 });
      return stdout.split('\n').map((line) => line.split(' => ')[1] ?? '');
    } catch {
      // not on the PATH of a user who is not root
    }
  }
  return [];
}

/** "Requires-Dist: nvidia-cudnn-cu12<10.0,>=9.3" names it; before CUDA 13 all names end alike. */
function pipPackage(folder: string, metadata: string): string {
  const plain = `nvidia-${folder.replaceAll('_', '-')}`;
  return new RegExp(`^Requires-Dist: (${plain}(-cu\\d+)?)\\b`, 'm').exec(metadata)?.[1] ?? `${plain}-cu12`;
}
