import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findCompiler } from '../../../src/backend/tensorflow/compiler.js';
import { findCuda } from '../../../src/backend/tensorflow/cuda.js';
import { findLibrary } from '../../../src/backend/tensorflow/library.js';
import { MergeguardError } from '../../../src/tensors/errors.js';
import { C_API, writeLibrary, writeOfficial, writeText } from './library-files.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'libtensorflow-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.unstubAllEnvs();
});

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.catch((each: unknown) => each);
  expect(error).toBeInstanceOf(MergeguardError);
  return (error as Error).message;
}

describe('findLibrary', () => {
  it('finds an unpacked official libtensorflow', async () => {
    writeOfficial(folder);
    const found = await findLibrary(folder);
    expect(found.folder).toBe(join(folder, 'lib'));
    expect(found.headers).toBe(join(folder, 'include'));
    expect(found.libraries.map(({ path }) => path)).toEqual([
      join(folder, 'lib', 'libtensorflow.so.2'),
      join(folder, 'lib', 'libtensorflow_framework.so.2'),
    ]);
    expect(found.libraries.map(({ arch }) => arch)).toEqual([process.arch, process.arch]);
    expect(found.isForCuda).toBe(false);
    expect((await findLibrary(join(folder, 'lib'))).headers).toBe(join(folder, 'include'));
  });

  it("finds a wheel's, whose C API is shared out over two libraries", async () => {
    writeLibrary(join(folder, 'libtensorflow_cc.so.2'), C_API.slice(2));
    writeLibrary(join(folder, 'libtensorflow_framework.so.2'), C_API.slice(0, 2));
    writeText(join(folder, 'include', 'tensorflow', 'c', 'eager', 'c_api.h'));
    expect((await findLibrary(folder)).folder).toBe(folder);
  });

  it('names the functions that a library lacks', async () => {
    writeOfficial(folder, C_API.slice(0, -2));
    const message = await refusal(findLibrary(folder));
    expect(message).toContain(join(folder, 'lib', 'libtensorflow.so.2'));
    expect(message).toContain("lack TFE_NewTensorHandle, TFE_Execute of TensorFlow's C API");
  });

  it('does not take a function that a library only calls for one that it has', async () => {
    writeOfficial(folder);
    writeLibrary(join(folder, 'lib', 'libtensorflow.so.2'), [], '$ORIGIN', C_API);
    expect(await refusal(findLibrary(folder))).toContain('lack TF_Version');
  });

  it.each([
    ['arm64', 183],
    ['x64', 62],
    ['riscv64', 243],
  ])('names both architectures of one for another machine: %s', async (arch, machine) => {
    writeOfficial(folder);
    const path = join(folder, 'lib', 'libtensorflow.so.2');
    const bytes = readFileSync(path);
    bytes.writeUInt16LE(machine, 18);
    writeFileSync(path, bytes);
    if (arch === process.arch) {
      expect((await findLibrary(folder)).libraries[0].arch).toBe(arch);
    } else {
      expect(await refusal(findLibrary(folder))).toContain(
        `${path} is for ${arch}, this machine's Node.js is ${process.arch}`,
      );
    }
  });

  it.each([
    ['a macOS library', Buffer.from('cffaedfe0c000001', 'hex')],
    ['a Windows library', Buffer.from('MZ')],
    ['no shared library', Buffer.from('hello')],
    ['no shared library', Buffer.alloc(0)],
  ])('says what is none for Linux: %s', async (what, bytes) => {
    writeOfficial(folder);
    const path = join(folder, 'lib', 'libtensorflow.so.2');
    writeFileSync(path, bytes);
    expect(await refusal(findLibrary(folder))).toBe(
      `${path} is ${what}; wanted is one for Linux on ${process.arch}`,
    );
  });

  it('says all that is missing at once', async () => {
    writeLibrary(join(folder, 'libtensorflow_cc.so.2'), C_API.slice(1));
    const lines = (await refusal(findLibrary(folder))).split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain('has no include/tensorflow/c/eager/c_api.h');
    expect(lines[1]).toContain('has no libtensorflow_framework.so.2');
    expect(lines[2]).toContain('lack TF_Version of');
  });

  it('says where it looked in a folder that has none', async () => {
    expect(await refusal(findLibrary(folder))).toContain(`${folder} holds no libtensorflow: looked for`);
    const absent = join(folder, 'absent');
    expect(await refusal(findLibrary(absent))).toContain(`${absent} is not there; give the folder`);
  });
});

describe('findCuda', () => {
  it('asks nothing of a library that was not built for it', async () => {
    writeOfficial(folder);
    expect(await findCuda(await findLibrary(folder), folder, '')).toEqual([]);
  });

  it('takes no other version than the one that the library opens, and names both', async () => {
    writeOfficial(folder, [...C_API, 'cublasCreate_v2'], '$ORIGIN/../nvidia');
    const versions = ['#define TF_CUBLAS_VERSION "12"', '#define TF_CUDNN_VERSION "9"'];
    writeText(join(folder, 'include', 'third_party', 'gpus', 'cuda', 'cuda_config.h'), versions.join('\n'));
    const cudnn = join(folder, 'nvidia', 'libcudnn.so.8');
    for (const file of ['libcublas.so.11', 'libcublas.so.12', 'libcudnn.so.8', 'libcufft.so.9']) {
      writeText(join(folder, 'nvidia', file));
    }
    const library = await findLibrary(folder);
    const parts = await findCuda(library, library.folder, '');
    const of = (name: string) => parts.find((each) => each.name === name)!;
    expect(of('libcublas').path).toBe(join(library.folder, '../nvidia/libcublas.so.12'));
    expect(of('libcublas').foreign).toBeNull();
    expect(of('libcudnn')).toMatchObject({ wanted: 'libcudnn.so.9', path: null, foreign: cudnn });
    // whose version is not told
    expect(of('libcufft')).toMatchObject({ wanted: null, path: join(folder, 'nvidia', 'libcufft.so.9') });
  });

  it('finds parts where the library will, and names the pip packages of the others', async () => {
    writeOfficial(
      folder,
      [...C_API, 'cublasCreate_v2'],
      '$ORIGIN/../nvidia/cublas/lib:$ORIGIN/../nvidia/cudnn/lib',
    );
    writeText(join(folder, 'nvidia', 'cublas', 'lib', 'libcublas.so.12'));
    writeText(join(folder, 'nvidia', 'cudnn', 'lib', 'libcudnn_ops.so.9'));
    writeText(join(folder, 'of-the-path', 'libcufft.so.11'));
    vi.stubEnv('LD_LIBRARY_PATH', join(folder, 'of-the-path'));
    const library = await findLibrary(folder);
    expect(library.isForCuda).toBe(true);
    const metadata = 'Requires-Dist: nvidia-cudnn-cu13<10.0,>=9.3.0.75; extra == "and-cuda"\n';
    const parts = await findCuda(library, library.folder, metadata);
    const of = (name: string) => parts.find((each) => each.name === name)!;
    expect(of('libcublas').path).toBe(join(library.folder, '../nvidia/cublas/lib/libcublas.so.12'));
    expect(of('libcufft').path).toBe(join(folder, 'of-the-path', 'libcufft.so.11'));
    expect(of('libcudnn').pipPackage).toBe('nvidia-cudnn-cu13');
    expect(of('libcusolver').pipPackage).toBe('nvidia-cusolver-cu12');
    // a part of cuDNN alone is not cuDNN; the machine's own may be found
    expect(of('libcudnn').path ?? '').not.toContain(folder);
  });
});

describe('findCompiler', () => {
  it('takes the one that CXX names', async () => {
    vi.stubEnv('CXX', process.execPath);
    expect(await findCompiler()).toEqual({
      command: process.execPath,
      leading: [],
      version: process.version,
    });
  });

  it('takes a wrapper or arguments with it', async () => {
    vi.stubEnv('CXX', `${process.execPath} --no-warnings`);
    const { command, leading } = await findCompiler();
    expect([command, leading]).toEqual([process.execPath, ['--no-warnings']]);
  });

  it('says what does not run, and how to get one', async () => {
    vi.stubEnv('CXX', 'no-such-compiler');
    const message = await refusal(findCompiler());
    expect(message).toContain(
      'no-such-compiler does not run (that is what CXX names: correct it, or unset it for g++, clang++ or c++)',
    );
    expect(message).toContain('apt-get install g++');
    vi.stubEnv('CXX', '');
    vi.stubEnv('PATH', folder);
    expect(await refusal(findCompiler())).toContain('g++, clang++, c++ do not run');
  });
});
