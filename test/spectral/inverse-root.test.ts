import fc from 'fast-check';
import { Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { inverseRoot } from '../../src/spectral/index.js';
import { Random } from '../../src/tensors/index.js';
import {
  dense,
  expectOrthonormal,
  largest,
  matrixOf,
  normals,
  orthonormal,
  slowParts,
  withValues,
} from './matrices.js';

/** What the root makes of the rows. */
function orthogonalised(rows: Matrix): Matrix {
  return matrixOf(inverseRoot(dense(rows, Float64Array)), rows.rows).mmul(rows);
}

/** P Q^T of the decomposition P Σ Q^T, over the first `rank` values. */
function polar(matrix: Matrix, rank: number): Matrix {
  const { left, right } = slowParts(dense(matrix, Float64Array));
  return left
    .subMatrix(0, matrix.rows - 1, 0, rank - 1)
    .mmul(right.subMatrix(0, matrix.columns - 1, 0, rank - 1).transpose());
}

describe('inverseRoot', () => {
  it('makes rows orthonormal, and moves them as little as can be', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(20), fc.nat(1e6), (count, more, seed) => {
        const rows = normals(count, count + more, new Random('root', seed));
        const found = orthogonalised(rows);
        expectOrthonormal(found.transpose(), 1e-7);
        expect(largest(Matrix.sub(found, polar(rows, count)))).toBeLessThan(1e-7);
      }),
      { seed: 3, numRuns: 60 },
    );
  });

  it('leaves rows alone that are orthonormal', () => {
    const rows = orthonormal(50, 30, new Random('orthonormal')).transpose();
    expect(largest(Matrix.sub(orthogonalised(rows), rows))).toBeLessThan(1e-13);
  });

  it('drops directions that the rows do not have: equal rows share one', () => {
    const row = normals(1, 9, new Random('row'));
    const unit = Matrix.div(row, row.norm('frobenius'));
    const three = new Matrix([unit.to1DArray(), unit.to1DArray(), unit.to1DArray()]);
    const found = orthogonalised(three);
    for (let i = 0; i < 3; i++) {
      expect(largest(Matrix.sub(found.getRowVector(i), Matrix.div(unit, Math.sqrt(3))))).toBeLessThan(1e-14);
    }
    // 5 rows of rank 3, and more rows than a row is long.
    for (const [count, length] of [
      [5, 8],
      [5, 3],
    ] as const) {
      const rows = withValues(count, length, [2, 1, 0.5], 4);
      expect(largest(Matrix.sub(orthogonalised(rows), polar(rows, 3)))).toBeLessThan(1e-12);
    }
  });

  it('counts as rounding what float32 would round', () => {
    const rows = (last: number) => withValues(4, 8, [1, 1, 0.9, last], 6);
    expect(largest(Matrix.sub(orthogonalised(rows(1e-8)), polar(rows(1e-8), 3)))).toBeLessThan(1e-7);
    expect(largest(Matrix.sub(orthogonalised(rows(1e-4)), polar(rows(1e-4), 4)))).toBeLessThan(1e-7);
  });

  it('has nothing to do for no rows', () => {
    expect(inverseRoot({ rows: 0, columns: 4, data: new Float64Array(0) })).toHaveLength(0);
  });
});
