import { Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import {
  columnsOf,
  lowRankParts,
  numericalRank,
  spectralParts,
  spectrumCosine,
  squaredOverlap,
} from '../../src/spectral/index.js';
import { Random } from '../../src/tensors/index.js';
import { angle, dense, matrixOf, orthonormal } from './matrices.js';

const OPTIONS = { k: 3, bottom: true, precise: true };

/** U diag(values), V^T of random bases. */
function factors(rows: number, columns: number, values: readonly number[]) {
  const random = new Random('rank', `${rows} ${columns}`);
  return {
    left: orthonormal(rows, values.length, random).mmul(Matrix.diag([...values])),
    right: orthonormal(columns, values.length, random).transpose(),
  };
}

describe('the rule for full rank', () => {
  // Above rounding of the largest, 1.2e-7, and below what many rows and columns make of it, 2.4e-6.
  const edge = 5e-7;

  it.each<[string, number, number]>([
    ['tall', 20, 8],
    ['wide', 8, 20],
    ['square', 20, 20],
  ])('is one for a %s matrix and for its factors', (_, rows, columns) => {
    const n = Math.min(rows, columns);
    for (const [last, isThere] of [
      [edge, true],
      [1e-9, false],
    ] as const) {
      // In a tall matrix the last three need only stand out from the rest: a fourth decides.
      const values = Array.from({ length: n }, (_, i) => (i >= n - 4 ? last * (1 - i / 100) : 1 - i / 100));
      const { left, right } = factors(rows, columns, values);
      const whole = spectralParts(dense(left.mmul(right), Float64Array), OPTIONS)!;
      const thin = lowRankParts(
        {
          left: Float64Array.from(left.to1DArray()),
          right: Float64Array.from(right.to1DArray()),
          rank: n,
        },
        OPTIONS,
      )!;
      expect([whole.bottom !== null, thin.bottom !== null]).toEqual([isThere, isThere]);
      expect(thin.k).toBe(whole.k);
      if (isThere) {
        expect(angle(matrixOf(thin.bottom!, 3), matrixOf(whole.bottom!, 3))).toBeLessThan(1e-5);
      }
    }
  });

  it('counts what stands out of rounding', () => {
    const sides = { rows: 100, columns: 10 };
    expect(numericalRank([1, 1e-3, 2e-5, 1e-5, 0], sides)).toBe(3);
    expect(numericalRank([0, 0], sides)).toBe(0);
  });
});

describe('bases and spectra against each other', () => {
  it('never read beyond a basis that is narrower', () => {
    const random = new Random('widths');
    const [x, y] = [orthonormal(9, 5, random), orthonormal(9, 2, random)];
    const basis = (matrix: Matrix) => ({
      data: Float64Array.from(matrix.to1DArray()),
      width: matrix.columns,
    });
    const slow = x.transpose().mmul(y).norm('frobenius') ** 2;
    expect(squaredOverlap(basis(x), basis(y))).toBeCloseTo(slow, 12);
    expect(squaredOverlap(basis(y), basis(x))).toBeCloseTo(slow, 12);
    const first = x.subMatrix(0, 8, 0, 1).transpose().mmul(y).norm('frobenius') ** 2;
    expect(squaredOverlap({ ...basis(x), count: 2 }, basis(y))).toBeCloseTo(first, 12);
    expect([...columnsOf(Float64Array.of(1, 2, 3, 4, 5, 6), 3, 1, 3)]).toEqual([2, 3, 5, 6]);
  });

  it('take a shorter spectrum to go on with zeros', () => {
    expect(spectrumCosine([3, 4], [3])).toBeCloseTo(0.6, 12);
    expect(spectrumCosine([3], [3, 4])).toBeCloseTo(0.6, 12);
  });
});
