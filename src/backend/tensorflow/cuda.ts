import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Library } from './library.js';

/** A part of CUDA that a library opens when it starts to use a GPU. */
export interface CudaPart {
  /** "libcudnn" */
  readonly name: string;
  /** the pip package that carries it: "nvidia-cudnn-cu12" */
  readonly pipPackage: string;
  /** the file found, null where there is none */
  readonly path: string | null;
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
  const parts: CudaPart[] = [];
  for (const [folder, name] of Object.entries(PARTS)) {
    const path =
      (await findIn(folders, name)) ?? cached.find((each) => each.includes(`/${name}.so.`)) ?? null;
    parts.push({ name, pipPackage: pipPackage(folder, metadata), path });
  }
  return parts;
}

/** What a GPU of NVIDIA's needs is `libNAME.so.MAJOR`; which major one it is stands in no table of the library. */
async function findIn(folders: readonly string[], name: string): Promise<string | undefined> {
  for (const folder of folders) {
    const files = await readdir(folder).catch((): string[] => []);
    const file = files.find((each) => each.startsWith(`${name}.so.`));
    if (file !== undefined) {
      return join(folder, file);
    }
  }
  return undefined;
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
