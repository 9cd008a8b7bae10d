import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { readCalibration } from '../../src/at-rest/calibration-file.js';
import { type HostTensor, MergeguardError, type TensorInput } from '../../src/tensors/index.js';
import { disk, type Tensors } from './models-on-disk.js';

const { write } = disk();

async function failure(run: Promise<unknown>): Promise<string> {
  const error = await run.then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(MergeguardError);
  return (error as Error).message;
}

describe('readCalibration', () => {
  const images: HostTensor = { shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
  const given = (tensors: Record<string, TensorInput>) => new Map(Object.entries(tensors));

  it.each<[string, Tensors]>([
    [
      'as 64-bit integers',
      given({ inputs: images, labels: { shape: [3], data: BigInt64Array.of(0n, 7n, 2n) } }),
    ],
    ['under the name images', given({ images, labels: { shape: [3], data: Int32Array.of(0, 7, 2) } })],
    ['as bytes', given({ inputs: images, labels: { shape: [3], data: Uint8Array.of(0, 7, 2) } })],
  ])('reads samples, labels %s', async (_, tensors) => {
    const calibration = await readCalibration(await write('samples', tensors));
    expect(calibration).toEqual({ images, labels: Int32Array.of(0, 7, 2) });
  });

  const labels = { shape: [3], data: Int32Array.of(0, 1, 2) };
  it.each<[string, Record<string, TensorInput>, RegExp[]]>([
    [
      'nothing that is needed',
      { x: images },
      [/no tensor called inputs or images \(it holds x\)/, /no tensor called labels/],
    ],
    ['no labels', { inputs: images }, [/no tensor called labels/]],
    [
      'labels of another number',
      { inputs: images, labels: { shape: [2], data: Int32Array.of(0, 1) } },
      [/inputs is \[3, 2\] and labels \[2\]/],
    ],
    [
      'labels for each class',
      { inputs: images, labels: { shape: [3, 1], data: Int32Array.of(0, 1, 2) } },
      [/labels \[3, 1\]; they must be \[N, \.\.\.\] and \[N\]/],
    ],
    ['inputs without axes', { inputs: labels, labels }, [/inputs is \[3\]/]],
    [
      'no samples',
      { inputs: { shape: [0, 2], data: new Float32Array() }, labels: { shape: [0], data: new Int32Array() } },
      [/inputs is \[0, 2\], which is no sample at all/],
    ],
    [
      'labels that are no classes',
      { inputs: images, labels: { shape: [3], data: Float32Array.of(0, 0.5, 1) } },
      [/the label 0\.5 is not a class number/],
    ],
    [
      'negative labels',
      { inputs: images, labels: { shape: [3], data: Int32Array.of(0, -1, 1) } },
      [/the label -1 /],
    ],
    [
      'labels beyond 32 bits',
      { inputs: images, labels: { shape: [3], data: BigInt64Array.of(0n, 2n ** 31n, 1n) } },
      [/the label 2147483648 /],
    ],
    [
      'NaN',
      { inputs: { shape: [3, 1], data: Float32Array.of(1, Number.NaN, Infinity) }, labels },
      [/2 of 3 values of inputs are NaN or infinite/],
    ],
  ])('refuses %s', async (_, tensors, problems) => {
    const calibration = await write('bad samples', given(tensors));
    const message = await failure(readCalibration(calibration));
    expect(message).toContain(`"${calibration}" holds no calibration samples:`);
    for (const problem of problems) {
      expect(message).toMatch(problem);
    }
  });

  it('refuses a file that is damaged', async () => {
    const path = await write('damaged', given({ inputs: images, labels }));
    await writeFile(path, (await readFile(path)).subarray(0, 60));
    expect(await failure(readCalibration(path))).toMatch(/damaged\.safetensors"/);
  });
});
