import fc from 'fast-check';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { bidiagonalise, triangleOf } from '../../src/spectral/bidiagonal.js';
import { gramMatrix } from '../../src/spectral/gram.js';
import { tridiagonalise } from '../../src/spectral/tridiagonal.js';
import { eigenvalues, eigenvectors, normOf } from '../../src/spectral/tridiagonal-eigen.js';
import { normaliseAt, orthonormaliseRows } from '../../src/spectral/vectors.js';
import { Random } from '../../src/tensors/index.js';
import { dense, expectOrthonormal, largest, matrixOf, normals, withValues } from './matrices.js';

const identityRows = (n: number) => Float64Array.from(Matrix.eye(n).to1DArray());
const seeds = fc.nat(1e6);

/** max |a - b| as a share of the largest entry of b */
function difference(a: Matrix, b: Matrix): number {
  return largest(Matrix.sub(a, b)) / Math.max(largest(b), Number.MIN_VALUE);
}

function tridiagonalMatrix(diagonal: ArrayLike<number>, beside: ArrayLike<number>): Matrix {
  const matrix = Matrix.diag(Array.from(diagonal));
  for (let i = 0; i + 1 < diagonal.length; i++) {
    matrix.set(i, i + 1, beside[i]!);
    matrix.set(i + 1, i, beside[i]!);
  }
  return matrix;
}

describe('gramMatrix', () => {
  it.each([
    [1, 1],
    [3, 5],
    [5, 3],
    [4, 8],
    [255, 6],
    [256, 7],
    [257, 9],
    [600, 13],
    [13, 600],
  ])('%i x %i, of columns and of rows', (rows, columns) => {
    const matrix = normals(rows, columns, new Random('gram', rows, columns));
    for (const Kind of [Float32Array, Float64Array]) {
      const given = dense(matrix, Kind);
      const same = matrixOf(given.data, columns);
      expect(difference(matrixOf(gramMatrix(given), columns), same.transpose().mmul(same))).toBeLessThan(
        1e-14,
      );
      expect(difference(matrixOf(gramMatrix(given, true), rows), same.mmul(same.transpose()))).toBeLessThan(
        1e-14,
      );
    }
  });

  it('adds in float64 what float32 would lose', () => {
    const near = Float32Array.of(2 ** 20, 1, 2 ** -6);
    expect([...gramMatrix({ rows: 3, columns: 1, data: near })]).toEqual([2 ** 40 + 1 + 2 ** -12]);
  });
});

describe('tridiagonalise', () => {
  it('gives Q T Q^T = M with Q orthogonal, for symmetric matrices of any size and scale', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 14 }),
        seeds,
        fc.constantFrom(1e-40, 1, 1e40),
        (n, seed, scale) => {
          const half = normals(n, n, new Random(seed));
          const symmetric = Matrix.add(half, half.transpose()).mul(scale);
          const found = tridiagonalise(Float64Array.from(symmetric.to1DArray()), n);
          const vectors = identityRows(n);
          found.apply(vectors, n);
          // Row v is Q e_v, column v of Q.
          const q = matrixOf(vectors, n).transpose();
          expectOrthonormal(q);
          const t = tridiagonalMatrix(found.diagonal, found.offDiagonal);
          expect(difference(q.mmul(t).mmul(q.transpose()), symmetric)).toBeLessThan(1e-13);
          expect(found.offDiagonal[n - 1]).toBe(0);
        },
      ),
      { seed: 11, numRuns: 80 },
    );
  });

  it('leaves a diagonal and zeros as they are', () => {
    for (const entries of [
      [3, -1, 2],
      [0, 0, 0],
    ]) {
      const found = tridiagonalise(Float64Array.from(Matrix.diag(entries).to1DArray()), 3);
      expect([...found.diagonal]).toEqual(entries);
      expect([...found.offDiagonal]).toEqual([0, 0, 0]);
      const vectors = Float64Array.of(1, 2, 3);
      found.apply(vectors, 1);
      expect([...vectors]).toEqual([1, 2, 3]);
    }
  });
});

describe('eigenvalues and eigenvectors of a tridiagonal matrix', () => {
  const entries = (diagonal: number[], beside: number[]) => ({
    diagonal: Float64Array.from(diagonal),
    offDiagonal: Float64Array.from([...beside, 0]),
  });
  const CASES: [string, ReturnType<typeof entries>][] = [
    ['1 x 1', entries([-3], [])],
    ['zeros', entries([0, 0, 0, 0], [0, 0, 0])],
    ['a diagonal with repeats', entries([2, 1, 2, 1, 2], [0, 0, 0, 0])],
    ['in blocks', entries([1, 1, 5, 1, 1], [2, 0, 0, 2])],
    ['a second difference', entries(Array(30).fill(2), Array(29).fill(-1))],
    // Wilkinson's: pairs that agree to the last digits.
    [
      'Wilkinson',
      entries(
        Array.from({ length: 21 }, (_, i) => Math.abs(10 - i)),
        Array(20).fill(1),
      ),
    ],
    [
      'zero on the diagonal',
      entries(
        Array(16).fill(0),
        Array.from({ length: 15 }, (_, i) => 1 + (i % 3)),
      ),
    ],
    [
      'graded',
      entries(
        Array.from({ length: 12 }, (_, i) => 10 ** -i),
        Array.from({ length: 11 }, (_, i) => 0.1 * 10 ** -i),
      ),
    ],
    ['of size 1e-60', entries([1e-60, 2e-60, 3e-60], [1e-60, 1e-60])],
  ];

  it.each(CASES)('%s: all, and any stretch of them, against ml-matrix', (_, given) => {
    const n = given.diagonal.length;
    const matrix = tridiagonalMatrix(given.diagonal, given.offDiagonal);
    const expected = new EigenvalueDecomposition(matrix, { assumeSymmetric: true }).realEigenvalues.sort(
      (a, b) => a - b,
    );
    const norm = normOf(given);
    const found = eigenvalues(given, 0, n - 1);
    found.forEach((value, i) => {
      expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-14 * norm);
      expect(value).toBeGreaterThanOrEqual(found[i - 1] ?? value);
    });
    for (const [first, last] of [
      [0, 0],
      [n - 1, n - 1],
      [Math.floor(n / 3), Math.floor(n / 2)],
    ] as const) {
      eigenvalues(given, first, last).forEach((value, i) => {
        expect(Math.abs(value - found[first + i]!)).toBeLessThanOrEqual(1e-15 * norm);
      });
    }
    expect(eigenvalues(given, 1, 0)).toHaveLength(0);
    const vectors = matrixOf(eigenvectors(given, found), n).transpose();
    expectOrthonormal(vectors);
    const residual = Matrix.sub(matrix.mmul(vectors), vectors.mmul(Matrix.diag([...found])));
    expect(largest(residual)).toBeLessThanOrEqual(1e-13 * norm);
  });
});

describe('triangleOf and bidiagonalise', () => {
  it.each([
    [1, 1],
    [9, 4],
    [511, 3],
    [512, 6],
    [1100, 5],
  ])('%i x %i: R^T R = A^T A, of columns and of rows', (rows, n) => {
    const matrix = normals(rows, n, new Random('triangle', rows));
    const gram = matrix.transpose().mmul(matrix);
    const given: [Matrix, boolean][] = [
      [matrix, false],
      [matrix.transpose(), true],
    ];
    for (const [one, ofRows] of given) {
      const triangle = matrixOf(triangleOf(dense(one, Float64Array), ofRows), n);
      expect(difference(triangle.transpose().mmul(triangle), gram)).toBeLessThan(1e-13);
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < i; j++) {
          expect(triangle.get(i, j)).toBe(0);
        }
      }
    }
  });

  it('A = P B W^T: W orthogonal, B^T B = W^T A^T A W', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 13 }), seeds, fc.boolean(), (n, seed, isSingular) => {
        const values = Array.from({ length: isSingular ? Math.ceil(n / 2) : n }, (_, i) => 1 + i);
        const matrix = withValues(n, n, values, seed);
        const found = bidiagonalise(Float64Array.from(matrix.to1DArray()), n);
        const vectors = identityRows(n);
        found.apply(vectors, n);
        const w = matrixOf(vectors, n).transpose();
        expectOrthonormal(w);
        const b = Matrix.diag([...found.diagonal]);
        for (let i = 0; i + 1 < n; i++) {
          b.set(i, i + 1, found.superDiagonal[i]!);
        }
        const aw = matrix.mmul(w);
        expect(difference(b.transpose().mmul(b), aw.transpose().mmul(aw))).toBeLessThan(1e-13);
      }),
      { seed: 5, numRuns: 60 },
    );
  });
});

describe('vectors', () => {
  it('are brought to length one without overflow, and left alone where they have none', () => {
    for (const scale of [1e-200, 1, 1e200]) {
      const x = Float64Array.of(7, 3 * scale, -4 * scale, 7);
      expect(normaliseAt(x, 1, 2) / scale).toBeCloseTo(5, 14);
      expect([...x]).toEqual([7, expect.closeTo(0.6, 15), expect.closeTo(-0.8, 15), 7]);
    }
    for (const bad of [0, Number.NaN, Infinity]) {
      const x = Float64Array.of(0, bad);
      expect(normaliseAt(x, 0, 2)).toBe(0);
      expect(x[1]).toBe(bad);
    }
  });

  it('that are nearly parallel are made orthonormal to the last digit, the first keeping its direction', () => {
    const random = new Random('parallel');
    const n = 7;
    const rows = new Float64Array(3 * n);
    for (let i = 0; i < n; i++) {
      const common = random.normal();
      for (let v = 0; v < 3; v++) {
        rows[v * n + i] = 10 ** (-3 * v) * (common + 1e-9 * random.normal());
      }
    }
    const first = rows.slice(0, n);
    orthonormaliseRows(rows, n, 3);
    expectOrthonormal(matrixOf(rows, n).transpose());
    normaliseAt(first, 0, n);
    first.forEach((value, i) => {
      expect(rows[i]).toBeCloseTo(value, 15);
    });
  });
});
