import * as tf from '@tensorflow/tfjs';
import { Matrix, SVD } from 'ml-matrix';
import { beforeAll, describe, expect, it } from 'vitest';
import { SubspaceBatch } from '../../../../hooks/tfjs/subspaces/subspace-batch.js';
import { openBackend } from '../../../../src/backend/index.js';
import { Random } from '../../../../src/tensors/index.js';
import { chosen } from '../../../backend/chosen.js';

beforeAll(() => openBackend(chosen));

const K = 10;

/** Orthonormal columns from a seed. */
function orthonormal(rows: number, columns: number, ...seed: (string | number)[]): Matrix {
  const random = new Random(...seed);
  const normal = Matrix.from1DArray(rows, columns, random.normals(rows * columns));
  return new SVD(normal, { autoTranspose: true }).leftSingularVectors;
}

/** U diag(spectrum) V^T with random U and V. */
function matrixOf(rows: number, columns: number, spectrum: readonly number[], ...seed: (string | number)[]) {
  const u = orthonormal(rows, spectrum.length, 'u', ...seed);
  const v = orthonormal(columns, spectrum.length, 'v', ...seed);
  return u.mmul(Matrix.diag([...spectrum])).mmul(v.transpose());
}

function top(matrix: Matrix, k: number) {
  const svd = new SVD(matrix, { autoTranspose: true });
  return {
    rows: svd.leftSingularVectors.subMatrix(0, matrix.rows - 1, 0, k - 1),
    columns: svd.rightSingularVectors.subMatrix(0, matrix.columns - 1, 0, k - 1),
  };
}

const squaredOverlap = (a: Matrix, b: Matrix) => a.transpose().mmul(b).norm('frobenius') ** 2;

class Bench {
  /** columns that the last overlaps are over */
  found = 0;
  readonly #batch: SubspaceBatch;
  readonly #reference: ReturnType<typeof top>;
  readonly #k: number;

  /** Follows a matrix of that shape against the top-k subspaces of `reference`. */
  constructor(reference: Matrix, { k = K, iterations = 1 } = {}) {
    this.#k = Math.min(k, reference.rows, reference.columns);
    this.#reference = top(reference, this.#k);
    const { rows, columns } = this.#reference;
    const stored = {
      k: this.#k,
      rows: { data: Float32Array.from(rows.to1DArray()) },
      columns: { data: Float32Array.from(columns.to1DArray()) },
    };
    const shape = [reference.rows, reference.columns] as const;
    this.#batch = new SubspaceBatch(shape, [{ references: [stored, null], seed: 'test' }], { k, iterations });
  }

  async tick(matrix: Matrix) {
    const packed = tf.tidy(() => {
      const weights = tf.tensor2d(Float32Array.from(matrix.to1DArray()), [matrix.rows, matrix.columns]);
      return tf.concat(this.#batch.measure([{ weights, base: tf.zerosLike(weights) }]));
    });
    const values = (await packed.data()) as Float32Array;
    packed.dispose();
    expect(values).toHaveLength(this.#batch.size);
    const [{ overlaps, k }] = this.#batch.finish(values);
    const [overlap, none] = overlaps;
    this.found = k;
    expect(none).toEqual({ rows: Number.NaN, columns: Number.NaN });
    return overlap;
  }

  async ticks(matrix: Matrix, count: number) {
    for (let i = 1; i < count; i++) {
      await this.tick(matrix);
    }
    return this.tick(matrix);
  }

  /** How far the last overlaps are from those of an SVD, in units of k. */
  error(matrix: Matrix, found: { rows: number; columns: number }, k = this.#k): number {
    const exact = top(matrix, k);
    const { rows, columns } = this.#reference;
    return Math.max(
      Math.abs(found.rows - squaredOverlap(exact.rows, rows)) / k,
      Math.abs(found.columns - squaredOverlap(exact.columns, columns)) / k,
    );
  }
}

const geometric = (ratio: number, count = 24) => Array.from({ length: count }, (_, i) => 0.01 * ratio ** i);
const power = (exponent: number, count = 24) =>
  Array.from({ length: count }, (_, i) => 0.01 * (i + 1) ** -exponent);

describe('converges to the SVD', () => {
  it.each([
    ['gentle', geometric(0.9)],
    ['steep', geometric(0.6)],
    ['like 1 / sqrt(i)', power(0.5)],
    ['like 1 / i²', power(2)],
  ])('spectrum %s', async (_, spectrum) => {
    const matrix = matrixOf(40, 30, spectrum, 1);
    const bench = new Bench(matrixOf(40, 30, geometric(0.8), 2));
    expect(bench.error(matrix, await bench.ticks(matrix, 100))).toBeLessThan(1e-5);
    expect(bench.found).toBe(K);
  });

  it.each([2, 3, 10])('%i iterations a tick', async (iterations) => {
    const matrix = matrixOf(40, 30, geometric(0.7), 1);
    const bench = new Bench(matrixOf(40, 30, geometric(0.8), 2), { iterations });
    expect(bench.error(matrix, await bench.ticks(matrix, 30))).toBeLessThan(1e-5);
    expect(bench.found).toBe(K);
  });

  it.each([
    [30, 4],
    [4, 30],
    [10, 10],
    [1, 7],
    [1, 1],
  ])('exactly at once where it has all directions: %i x %i', async (rows, columns) => {
    const spectrum = geometric(0.8, Math.min(rows, columns));
    const matrix = matrixOf(rows, columns, spectrum, 1);
    const bench = new Bench(matrixOf(rows, columns, spectrum, 2));
    expect(bench.error(matrix, await bench.tick(matrix))).toBeLessThan(1e-4);
    expect(bench.error(matrix, await bench.tick(matrix))).toBeLessThan(1e-4);
  });

  it('at any scale: a task vector of 1e-9 is no other than one of 1', async () => {
    const matrix = matrixOf(20, 18, geometric(0.8, 18), 1);
    const found: number[] = [];
    for (const scale of [1e-7, 1, 1e5]) {
      const bench = new Bench(matrixOf(20, 18, geometric(0.8, 18), 2));
      found.push((await bench.ticks(Matrix.mul(matrix, scale), 40)).rows);
    }
    expect(found[0]).toBeCloseTo(found[1], 4);
    expect(found[2]).toBeCloseTo(found[1], 4);
  });
});

describe('matrices without full rank', () => {
  it('zero gives NaN and no columns, and a later matrix is measured', async () => {
    const matrix = matrixOf(24, 20, geometric(0.8, 20), 1);
    const bench = new Bench(matrixOf(24, 20, geometric(0.8, 20), 2));
    for (const overlap of [await bench.tick(Matrix.zeros(24, 20)), await bench.tick(Matrix.zeros(24, 20))]) {
      expect(overlap).toEqual({ rows: Number.NaN, columns: Number.NaN });
      expect(bench.found).toBe(0);
    }
    expect(bench.error(matrix, await bench.ticks(matrix, 40))).toBeLessThan(1e-5);
  });

  it.each([1, 3])(
    'of rank %i: its own directions only, then those of the full one that follows',
    async (rank) => {
      const bench = new Bench(matrixOf(24, 20, geometric(0.8, 20), 2));
      const low = matrixOf(24, 20, geometric(0.9, rank), 1);
      expect(bench.error(low, await bench.ticks(low, 12), rank)).toBeLessThan(1e-5);
      expect(bench.found).toBe(rank);
      const full = matrixOf(24, 20, geometric(0.8, 20), 3);
      expect(bench.error(full, await bench.ticks(full, 40))).toBeLessThan(1e-5);
      expect(bench.found).toBe(K);
    },
  );

  it.each([1, 2, 3])('of rank %i: takes no rounding for a direction, whatever the matrix', async (rank) => {
    for (let seed = 0; seed < 10; seed++) {
      const bench = new Bench(matrixOf(24, 20, geometric(0.8, 20), 2));
      const low = matrixOf(24, 20, geometric(0.9, rank), 'low', seed);
      expect(bench.error(low, await bench.ticks(low, 6), rank), `matrix ${seed}`).toBeLessThan(1e-5);
      expect(bench.found, `matrix ${seed}`).toBe(rank);
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e30])(
    '%d in it gives NaN, and it recovers when that is gone',
    async (bad) => {
      for (const before of [0, 5]) {
        const matrix = matrixOf(24, 20, geometric(0.8, 20), 1);
        const bench = new Bench(matrixOf(24, 20, geometric(0.8, 20), 2));
        for (let i = 0; i < before; i++) {
          await bench.tick(matrix);
        }
        const broken = matrix.clone().set(3, 4, bad);
        expect((await bench.ticks(broken, 2)).rows).toBeNaN();
        expect(bench.error(matrix, await bench.ticks(matrix, 40))).toBeLessThan(1e-5);
      }
    },
  );
});

describe('a matrix that moves', () => {
  it('is followed within 1 % of k by one iteration a tick, a step of 1 % of its length each', async () => {
    const start = matrixOf(48, 40, power(0.7), 1);
    const bench = new Bench(matrixOf(48, 40, geometric(0.8), 2));
    await bench.ticks(start, 40);
    const random = new Random('steps');
    const stepLength = (0.01 * start.norm('frobenius')) / Math.sqrt(48 * 40);
    const matrix = start.clone();
    let worst = 0;
    for (let step = 0; step < 60; step++) {
      matrix.add(Matrix.from1DArray(48, 40, random.normals(48 * 40, stepLength)));
      worst = Math.max(worst, bench.error(matrix, await bench.tick(matrix)));
    }
    expect(worst).toBeLessThan(0.01);
  });
});
