import * as tf from '@tensorflow/tfjs';
import { Matrix, SVD } from 'ml-matrix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Decomposer } from '../../../hooks/tfjs/decomposer.js';
import { NativeDecomposer } from '../../../hooks/tfjs/native-svd.js';
import { WorkerDecomposer } from '../../../hooks/tfjs/worker-decomposer.js';
import { openBackend, surveyBackends } from '../../../src/backend/index.js';
import { MergeguardError, Random } from '../../../src/tensors/index.js';

const opens = new Set((await surveyBackends()).filter(({ opens }) => opens).map(({ name }) => name));

/** Every way there is; the native one on whatever device libtensorflow has here. */
const WAYS = [
  { way: 'a worker thread', backend: 'wasm', make: () => new WorkerDecomposer() },
  { way: 'a worker thread', backend: 'cpu', make: () => new WorkerDecomposer() },
  { way: 'a worker thread', backend: 'tensorflow', make: () => new WorkerDecomposer() },
  { way: 'libtensorflow', backend: 'tensorflow', make: () => new NativeDecomposer() },
] as const;

function randomMatrix(rows: number, columns: number, seed: number): Matrix {
  const values = new Random('decomposer', seed).normals(rows * columns);
  return Matrix.from1DArray(rows, columns, values);
}

const onDevice = (matrix: Matrix) =>
  tf.tensor2d(Float32Array.from(matrix.to1DArray()), [matrix.rows, matrix.columns]);

/** How far two bases are from spanning the same space, 0..1. */
function distance(basis: Float64Array, expected: Matrix): number {
  const found = Matrix.from1DArray(expected.rows, expected.columns, basis);
  const rest = Matrix.sub(found, expected.mmul(expected.transpose().mmul(found)));
  return rest.norm('frobenius') / Math.sqrt(expected.columns);
}

describe('libtensorflow', () => {
  // A binding that only counts: this needs no libtensorflow.
  it.each([
    ['the first cast', 'Cast', 1],
    ['the decomposition', 'Svd', 1],
    ['the second cast', 'Cast', 2],
    ['the last cast', 'Cast', 4],
  ])('keeps no handle, and no tensor, where an op fails: %s', async (_, failing, nth) => {
    await openBackend('cpu');
    const handles = new Set<number>();
    const seen = new Map<string, number>();
    let id = 0;
    const fake = {
      binding: {
        executeOp(name: string, _attributes: unknown, _inputs: unknown, outputs: number) {
          seen.set(name, (seen.get(name) ?? 0) + 1);
          if (name === failing && seen.get(name) === nth) {
            throw new Error('out of memory');
          }
          return Array.from({ length: outputs }, () => {
            handles.add(++id);
            return { id };
          });
        },
        deleteTensor: (given: number) => expect(handles.delete(given)).toBe(true),
      },
      getInputTensorIds: () => [0],
      // From then on the tensor holds it.
      createOutputTensor(output: { id: number }) {
        handles.delete(output.id);
        return tf.zeros([1]);
      },
    };
    const backend = tf.backend() as unknown as Record<string, unknown>;
    Object.assign(backend, fake);
    const before = tf.memory().numTensors;
    const parts = new NativeDecomposer().parts(tf.zeros([6, 4]), 3, 'w');
    await expect(parts).rejects.toThrow('out of memory');
    expect([handles.size, tf.memory().numTensors]).toEqual([0, before]);
    for (const name of Object.keys(fake)) {
      delete backend[name];
    }
  });
});

describe.each(WAYS)('decomposed by $way on $backend', ({ backend, make }) => {
  describe.skipIf(!opens.has(backend))(opens.has(backend) ? 'it is open' : 'which does not open here', () => {
    let decomposer: Decomposer;
    beforeAll(async () => {
      await openBackend(backend);
      decomposer = make();
    });
    afterAll(() => decomposer.close());

    it.each([
      [24, 13],
      [13, 24],
      [12, 12],
      [4, 30],
      [1, 7],
      [7, 1],
      [120, 110],
    ])('%i x %i: both ends as a whole SVD has them', async (rows, columns) => {
      const matrix = randomMatrix(rows, columns, 1);
      const n = Math.min(rows, columns);
      const k = Math.min(10, n);
      const svd = new SVD(matrix, { autoTranspose: true });
      const [u, v] = [svd.leftSingularVectors, svd.rightSingularVectors];
      const parts = (await decomposer.parts(onDevice(matrix), 10, 'w'))!;
      expect(parts.k).toBe(k);
      expect(parts.values).toHaveLength(Math.min(n, 100));
      parts.values.forEach((value, i) => {
        expect(Math.abs(value - svd.diagonal[i]) / svd.diagonal[0]).toBeLessThan(1e-6);
      });
      expect(distance(parts.left, u.subMatrix(0, rows - 1, 0, k - 1))).toBeLessThan(1e-5);
      expect(distance(parts.right, v.subMatrix(0, columns - 1, 0, k - 1))).toBeLessThan(1e-5);
      expect(distance(parts.bottom!, v.subMatrix(0, columns - 1, n - k, n - 1))).toBeLessThan(1e-5);
    });

    it('a matrix of rank 3: three directions, and no bottom', async () => {
      const low = randomMatrix(20, 3, 1).mmul(randomMatrix(3, 16, 2));
      const parts = (await decomposer.parts(onDevice(low), 10, 'w'))!;
      expect(parts).toMatchObject({ k: 3, bottom: null });
      expect([parts.left.length, parts.right.length]).toEqual([60, 48]);
    });

    it('two factors: as their product, and what they are of is whole afterwards', async () => {
      const [one, other] = [randomMatrix(20, 3, 1), randomMatrix(3, 16, 2)];
      const [left, right] = [one, other].map((factor) => tf.variable(onDevice(factor)) as tf.Tensor2D);
      const before = tf.memory().numTensors;
      const parts = (await decomposer.parts({ left: left.clone(), right: right.clone() }, 10, 'w'))!;
      await decomposer.rehearse({ left: left.clone(), right: right.clone() });
      expect(tf.memory().numTensors).toBe(before);
      const svd = new SVD(one.mmul(other), { autoTranspose: true });
      expect(parts).toMatchObject({ k: 3, bottom: null });
      expect(distance(parts.left, svd.leftSingularVectors.subMatrix(0, 19, 0, 2))).toBeLessThan(1e-5);
      expect(distance(parts.right, svd.rightSingularVectors.subMatrix(0, 15, 0, 2))).toBeLessThan(1e-5);
      expect([...left.dataSync()]).toEqual(one.to1DArray().map(Math.fround));
      expect([...right.dataSync()]).toEqual(other.to1DArray().map(Math.fround));
      const broken = { left: onDevice(one), right: onDevice(other.set(1, 2, Number.NaN)) };
      await expect(decomposer.parts(broken, 10, 'encoder.weight')).rejects.toThrow(/^encoder\.weight: /);
      tf.dispose([left, right]);
    });

    it('a matrix of zeros has none', async () => {
      expect(await decomposer.parts(tf.zeros([6, 4]), 10, 'w')).toBeNull();
    });

    it.each([Number.NaN, Number.POSITIVE_INFINITY])(
      'a matrix with %d is an error that names it',
      async (bad) => {
        const broken = onDevice(randomMatrix(6, 4, 1).set(2, 3, bad));
        const failing = decomposer.parts(broken, 10, 'encoder.weight');
        await expect(failing).rejects.toThrow(MergeguardError);
        await expect(failing).rejects.toThrow(/^encoder\.weight: /);
      },
    );

    it('keeps nothing on the device', async () => {
      const before = tf.memory().numTensors;
      await decomposer.parts(onDevice(randomMatrix(9, 5, 1)), 3, 'w');
      await decomposer.rehearse(onDevice(randomMatrix(9, 5, 1)));
      expect(tf.memory().numTensors).toBe(before);
    });
  });
});
