import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { spectralParts } from '../../src/spectral/index.js';
import { MergeguardError, Random } from '../../src/tensors/index.js';
import {
  dense,
  expectBottom,
  expectOrthonormal,
  expectParts,
  matrixOf,
  normals,
  withValues,
} from './matrices.js';

const steps = (count: number, of: (i: number) => number) => Array.from({ length: count }, (_, i) => of(i));

/** Spectra of which every subspace of 4 is told from the rest, both at the top and at the bottom. */
const SPECTRA: Record<string, (n: number) => number[]> = {
  'evenly spread': (n) => steps(n, (i) => n - i),
  'decaying to 1e-8': (n) => steps(n, (i) => 10 ** ((-8 * i) / Math.max(1, n - 1))),
  'in a cluster but for the ends': (n) =>
    steps(n, (i) => (i < 4 ? 2 : i >= n - 4 ? 0.5 : 1) + 1e-6 * (n - i)),
  'exactly repeated': (n) => steps(n, (i) => (i < 4 ? 2 : i >= n - 4 ? 0.5 : 1)),
  'falling off at the end': (n) => steps(n, (i) => (i < n - 4 ? n - i : 2e-5 * (n - i))),
  'one large': (n) => steps(n, (i) => (i === 0 ? 1e3 : 1 + (n - i) / n)),
};
const SHAPES: [number, number][] = [
  [30, 12],
  [12, 30],
  [20, 20],
  [21, 20],
  [9, 9],
  [300, 7],
  [5, 290],
];

describe('spectralParts', () => {
  const runs = Object.keys(SPECTRA).flatMap((spectrum) =>
    SHAPES.map(([rows, columns]) => ({ spectrum, rows, columns })),
  );

  it.each(runs)(
    '$rows x $columns, $spectrum, against the slow decomposition',
    ({ spectrum, rows, columns }) => {
      const n = Math.min(rows, columns);
      const matrix = withValues(rows, columns, SPECTRA[spectrum]!(n), rows + columns);
      for (const Kind of [Float32Array, Float64Array]) {
        for (const precise of [false, true]) {
          const given = dense(matrix, Kind);
          const copy = given.data.slice();
          const found = spectralParts(given, { k: 4, bottom: true, precise })!;
          expect(given.data).toEqual(copy);
          expectParts(given, found, { k: 4, precise });
          if (found.bottom !== null) {
            expectBottom(given, found, 4);
          }
          expect(found.bottom === null).toBe(spectrum === 'decaying to 1e-8' && rows < columns);
        }
      }
    },
  );

  it('holds for random matrices of any shape, rank and scale', () => {
    const size = fc.integer({ min: 1, max: 16 });
    const cases = fc.record({
      rows: size,
      columns: size,
      rank: fc.integer({ min: 1, max: 16 }),
      scale: fc.constantFrom(1e-25, 1, 1e20),
      seed: fc.nat(1e6),
      k: fc.integer({ min: 1, max: 12 }),
      precise: fc.boolean(),
      single: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ rows, columns, rank, scale, seed, k, precise, single }) => {
        const random = new Random(seed);
        const product = normals(rows, rank, random)
          .mmul(normals(rank, columns, random))
          .mul(scale);
        const matrix = dense(product, single ? Float32Array : Float64Array);
        const found = spectralParts(matrix, { k, bottom: true, precise })!;
        expectParts(matrix, found, { k, precise });
        const n = Math.min(rows, columns);
        const isFull = rank >= n;
        const isSpanned = rows >= columns && rank >= n - k;
        if (isFull || isSpanned) {
          expectBottom(matrix, found, k);
        } else {
          expect(found.bottom).toBeNull();
        }
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it.each([
    ['1 x 1', 1, 1, [3], [3]],
    ['one row', 1, 4, [0, 3, 0, 4], [5]],
    ['one column', 3, 1, [2, -1, 2], [3]],
    ['a single entry', 4, 3, [0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0], [7, 0, 0]],
    ['a diagonal', 3, 3, [1, 0, 0, 0, -3, 0, 0, 0, 2], [3, 2, 1]],
    ['a diagonal with zeros', 3, 2, [0, 0, 0, 2, 0, 0], [2, 0]],
    ['the identity', 3, 3, [1, 0, 0, 0, 1, 0, 0, 0, 1], [1, 1, 1]],
    ['equal entries', 2, 3, [1, 1, 1, 1, 1, 1], [Math.sqrt(6), 0]],
  ])('knows %s by heart', (_, rows, columns, entries, values) => {
    for (const precise of [false, true]) {
      const found = spectralParts(
        { rows, columns, data: Float64Array.from(entries) },
        { k: 10, bottom: false, precise },
      )!;
      values.forEach((value, i) => {
        expect(found.values[i]).toBeCloseTo(value, precise ? 13 : 7);
        expect(found.values[i]).toBeGreaterThanOrEqual(0);
      });
      const rank = values.filter((value) => value > 0).length;
      expect(found.k).toBe(rank);
      const [left, right] = [matrixOf(found.left, rank), matrixOf(found.right, rank)];
      expectOrthonormal(left);
      expectOrthonormal(right);
      const sigma = values.slice(0, rank);
      left.mulRowVector(sigma);
      const back = left.mmul(right.transpose()).to1DArray();
      entries.forEach((entry, i) => {
        expect(back[i]).toBeCloseTo(entry, 12);
      });
    }
  });

  it('keeps the first hundred singular values of more', () => {
    const matrix = dense(
      withValues(
        130,
        120,
        steps(120, (i) => 120 - i),
        1,
      ),
      Float64Array,
    );
    const { values } = spectralParts(matrix, { k: 2, bottom: false, precise: false })!;
    expect(values).toHaveLength(100);
    expect(values[0]).toBeCloseTo(120, 10);
    expect(values[99]).toBeCloseTo(21, 10);
  });

  it('leaves the bottom out where it was not asked for', () => {
    const matrix = dense(withValues(6, 5, [5, 4, 3, 2, 1], 1), Float64Array);
    expect(spectralParts(matrix, { k: 2, bottom: false, precise: false })!.bottom).toBeNull();
  });

  it.each([
    // Of a tall matrix the last k right vectors are what the others leave over: enough of these must stand out.
    [8, 6, [6, 5, 4, 3, 2, 1], true],
    [8, 6, [6, 5, 4, 3, 0, 0], true],
    [8, 6, [6, 5, 4, 0, 0, 0], false],
    [8, 6, [1, 1, 1, 2 ** -22, 0, 0], true],
    [8, 6, [1, 1, 1, 2 ** -24, 0, 0], false],
    [6, 6, [6, 5, 4, 3, 0, 0], true],
    // Those of a wide one have the null space beside them, so that all must.
    [6, 8, [6, 5, 4, 3, 2, 1], true],
    [6, 8, [6, 5, 4, 3, 2, 0], false],
    [6, 8, [1, 1, 1, 1, 1, 2 ** -22], true],
    [6, 8, [1, 1, 1, 1, 1, 2 ** -24], false],
    // The whole input space.
    [8, 2, [1, 0], true],
    [2, 8, [1, 0], false],
  ])('%i x %i of %j has a bottom: %s', (rows, columns, values, has) => {
    const matrix = dense(withValues(rows, columns, values, 5), Float64Array);
    for (const precise of [false, true]) {
      const found = spectralParts(matrix, { k: 2, bottom: true, precise })!;
      expect(found.bottom !== null).toBe(has);
      if (has) {
        expectBottom(matrix, found, 2);
      }
    }
  });

  it('is null for zeros, and an error for what is no number, wherever it stands', () => {
    const options = { k: 2, bottom: true, precise: false };
    for (const [rows, columns] of [
      [3, 2],
      [2, 3],
      [1, 1],
      [0, 3],
      [3, 0],
    ] as const) {
      const data = new Float32Array(rows * columns);
      expect(spectralParts({ rows, columns, data }, options)).toBeNull();
      for (let i = 0; i < data.length; i++) {
        for (const bad of [Number.NaN, Infinity, -Infinity]) {
          const broken = data.slice();
          broken[i] = bad;
          const run = () => spectralParts({ rows, columns, data: broken }, options);
          expect(run).toThrow(MergeguardError);
          expect(run).toThrow(`a matrix with the value ${bad} (at ${i}) has no singular values`);
        }
      }
    }
  });
});
