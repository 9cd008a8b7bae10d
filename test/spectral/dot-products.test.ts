import { Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { columnVectors, dotProducts, rowVectors } from '../../src/spectral/index.js';
import { Random } from '../../src/tensors/index.js';
import { dense, largest, matrixOf, normals } from './matrices.js';

describe('dotProducts', () => {
  it.each([
    [1, 1, 1],
    [3, 5, 2],
    [4, 8, 12],
    [255, 6, 3],
    [256, 7, 1],
    [600, 2, 13],
    [0, 3, 2],
    [5, 0, 2],
  ])('of vectors of %i entries, %i and %i of them, in rows and in columns', (length, count, others) => {
    const random = new Random('dot products', length, count, others);
    const x = normals(length, count, random);
    const y = normals(length, others, random);
    for (const Kind of [Float32Array, Float64Array]) {
      const [one, other] = [dense(x, Kind), dense(y, Kind)];
      const expected = matrixOf(one.data, count).transpose().mmul(matrixOf(other.data, others));
      const turned = (matrix: Matrix) => rowVectors(dense(matrix.transpose(), Kind));
      for (const found of [
        dotProducts(columnVectors(one), columnVectors(other)),
        dotProducts(columnVectors(one), turned(y)),
        dotProducts(turned(x), columnVectors(other)),
        dotProducts(turned(x), turned(y)),
      ]) {
        expect(found).toHaveLength(count * others);
        const off = Matrix.sub(Matrix.from1DArray(count, others, [...found]), expected);
        expect(largest(off)).toBeLessThanOrEqual(1e-14 * length);
      }
    }
  });
});
