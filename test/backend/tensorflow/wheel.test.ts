import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkWheel, unpackWheel } from '../../../src/backend/tensorflow/wheel.js';
import { MergeguardError } from '../../../src/tensors/errors.js';
import { libraryHeader, writeZip } from './library-files.js';

let folder: string;
let wheel: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wheel-'));
  wheel = join(folder, 'tensorflow.whl');
});
afterEach(() => rmSync(folder, { recursive: true }));

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.catch((each: unknown) => each);
  expect(error).toBeInstanceOf(MergeguardError);
  return (error as Error).message;
}

const KEPT = {
  'tensorflow/libtensorflow_cc.so.2': libraryHeader(process.arch),
  'tensorflow/libtensorflow_framework.so.2': libraryHeader(process.arch),
  'tensorflow/include/tensorflow/c/eager/c_api.h': 'header',
  'tensorflow/include/tensorflow/core/platform/ctstring.h': 'header',
  'tensorflow/include/tsl/c/tsl_status.h': 'header',
  'tensorflow/include/xla/tsl/c/tsl_status.h': 'header',
  'tensorflow/include/third_party/gpus/cuda/cuda_config.h': 'header',
  'tensorflow_cpu-2.21.0.dist-info/METADATA': 'Name: tensorflow_cpu\nVersion: 2.21.0\n',
};
const LEFT = {
  'tensorflow/__init__.py': 'python',
  'tensorflow/python/libtensorflow_cc.so.2': 'another',
  'tensorflow/include/Eigen/Core.h': 'header',
};

it('unpacks the libraries, the headers that the C API needs and the metadata', async () => {
  writeZip(wheel, { ...KEPT, ...LEFT });
  await checkWheel(wheel);
  await unpackWheel(wheel, folder);
  for (const [name, content] of Object.entries(KEPT)) {
    expect(readFileSync(join(folder, name), 'utf8')).toBe(content.toString());
  }
  expect(Object.keys(LEFT).filter((name) => existsSync(join(folder, name)))).toEqual([]);
});

it('refuses one without libtensorflow, and names those that have it', async () => {
  writeZip(wheel, LEFT);
  const message = await refusal(checkWheel(wheel));
  expect(message).toContain(`${wheel} holds no tensorflow/libtensorflow*.so`);
  expect(message).toContain('pip download --no-deps tensorflow-cpu');
});

it('refuses one for another machine and of another version before it unpacks anything, and says both', async () => {
  const other = process.arch === 'arm64' ? 'x64' : 'arm64';
  writeZip(wheel, {
    ...KEPT,
    'tensorflow/libtensorflow_cc.so.2': libraryHeader(other),
    'tensorflow/libtensorflow_framework.so.2': 'MZ and so on',
    'tensorflow_cpu-2.21.0.dist-info/METADATA': 'Name: tensorflow_cpu\nVersion: 3.0.0\n',
  });
  expect((await refusal(checkWheel(wheel))).split('\n')).toEqual([
    `tensorflow/libtensorflow_cc.so.2 of ${wheel} is for ${other}, this machine's Node.js is ${process.arch}: ` +
      `take the wheel for ${process.arch}`,
    `tensorflow/libtensorflow_framework.so.2 of ${wheel} is a Windows library; wanted is one for Linux on ${process.arch}`,
    `${wheel} is TensorFlow 3.0.0; the binding of tfjs-node 4.22 wants 2.9 or a later 2`,
  ]);
});

it('refuses one that is cut short, is not there, or leads out of its folder', async () => {
  writeZip(wheel, KEPT);
  truncateSync(wheel, 300);
  expect(await refusal(checkWheel(wheel))).toContain(`${wheel} can not be read as a wheel`);
  expect(await refusal(checkWheel(join(folder, 'none.whl')))).toBe(
    `${join(folder, 'none.whl')} is not there; give a .whl file`,
  );
  expect(await refusal(checkWheel(folder))).toBe(`${folder} is no file; give a .whl file`);
  writeZip(wheel, { ...KEPT, 'tensorflow/include/tsl/../../../../stray.h': 'header' });
  expect(await refusal(unpackWheel(wheel, folder))).toContain('can not be read as a wheel');
});
