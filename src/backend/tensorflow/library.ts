import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MergeguardError, messageOf } from '../../tensors/errors.js';
import { readSharedLibrary, type SharedLibrary } from './elf.js';

/** libtensorflow as it lies in a folder. */
export interface Library {
  /** absolute, holds the libraries */
  readonly folder: string;
  /** absolute; holds tensorflow/c/c_api.h */
  readonly headers: string;
  /** the one with the C API first */
  readonly libraries: readonly SharedLibrary[];
  /** whether it was built to use GPUs of NVIDIA's */
  readonly isForCuda: boolean;
}

/** Of these, the first that is there; the plain name is the official library's. */
const WITH_API = ['libtensorflow.so.2', 'libtensorflow.so', 'libtensorflow_cc.so.2', 'libtensorflow_cc.so'];
const FRAMEWORK = ['libtensorflow_framework.so.2', 'libtensorflow_framework.so'];
const HEADER = join('tensorflow', 'c', 'eager', 'c_api.h');
/** Some of each part of the C API that the binding calls; linking finds out about the others. */
const FUNCTIONS = [
  'TF_Version',
  'TF_NewStatus',
  'TF_NewTensor',
  'TF_LoadSessionFromSavedModel',
  'TFE_NewContext',
  'TFE_NewTensorHandle',
  'TFE_Execute',
];
/** A library for CUDA defines the functions of CUDA's libraries itself, to open these only where there is a GPU. */
const CUDA_FUNCTION = 'cublasCreate_v2';

/**
 * Finds libtensorflow in a folder: an unpacked official one (lib/, include/), or a wheel's `tensorflow`.
 *
 * @throws MergeguardError with everything that is wrong with it
 */
export async function findLibrary(path: string): Promise<Library> {
  const root = resolve(path);
  const found = await stat(root).catch(() => null);
  if (!found?.isDirectory()) {
    throw new MergeguardError(
      `${root} ${found === null ? 'is not there' : 'is a file'}; give the folder of an unpacked libtensorflow, or the folder \`tensorflow\` in a ` +
        "Python installation's site-packages",
    );
  }
  const folders = [join(root, 'lib'), root];
  const folder = folders.find((each) => first(each, WITH_API) !== undefined);
  if (folder === undefined) {
    throw new MergeguardError(
      `${root} holds no libtensorflow: looked for ${WITH_API.join(', ')} there and in its lib; give the folder of an unpacked ` +
        "libtensorflow, or the folder `tensorflow` in a Python installation's site-packages",
    );
  }
  const problems: string[] = [];
  const headers = [join(root, 'include'), join(root, '..', 'include')].find((each) =>
    existsSync(join(each, HEADER)),
  );
  if (headers === undefined) {
    problems.push(
      `${root} has no include/${HEADER}: the binding is compiled against these headers; every wheel and every official libtensorflow has them`,
    );
  }
  const framework = first(folder, FRAMEWORK);
  if (framework === undefined) {
    problems.push(`${folder} has no ${FRAMEWORK[0]}, which libtensorflow needs`);
  }
  const libraries: SharedLibrary[] = [];
  const files = [first(folder, WITH_API), framework].filter((file) => file !== undefined);
  for (const file of files) {
    try {
      libraries.push(await readSharedLibrary(join(folder, file), ['TF', CUDA_FUNCTION]));
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  if (libraries.length === files.length) {
    problems.push(...libraryProblems(libraries));
  }
  if (problems.length > 0 || headers === undefined) {
    throw new MergeguardError(problems.join('\n'));
  }
  const isForCuda = libraries.some(({ defined }) => defined.has(CUDA_FUNCTION));
  return { folder, headers, libraries, isForCuda };
}

function libraryProblems(libraries: readonly SharedLibrary[]): string[] {
  const foreign = libraries.filter(({ arch }) => arch !== process.arch);
  if (foreign.length > 0) {
    // Of a foreign library it is of no use to know what it lacks.
    return foreign.map(
      ({ path, arch }) =>
        `${path} is for ${arch}, this machine's Node.js is ${process.arch}: take the library for ${process.arch}`,
    );
  }
  const missing = FUNCTIONS.filter((name) => !libraries.some(({ defined }) => defined.has(name)));
  return missing.length > 0
    ? [
        `${libraries.map(({ path }) => path).join(' and ')} lack ${missing.join(', ')} of TensorFlow's C API: ` +
          'take an official libtensorflow 2.9 or later, or a tensorflow or tensorflow-cpu wheel',
      ]
    : [];
}

function first(folder: string, names: readonly string[]): string | undefined {
  return names.find((name) => existsSync(join(folder, name)));
}
