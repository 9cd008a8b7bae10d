import fc from 'fast-check';
import { Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { lowRankParts, type SpectralParts, spectralParts } from '../../src/spectral/index.js';
import { MergeguardError, Random } from '../../src/tensors/index.js';
import { angle, expectOrthonormal, matrixOf, normals } from './matrices.js';

interface Factors {
  left: Float32Array | Float64Array;
  right: Float32Array | Float64Array;
  rank: number;
}

function factorsOf(left: Matrix, right: Matrix, Kind: typeof Float32Array | typeof Float64Array): Factors {
  return { left: Kind.from(left.to1DArray()), right: Kind.from(right.to1DArray()), rank: left.columns };
}

function productParts({ left, right, rank }: Factors, k: number): SpectralParts | null {
  const product = matrixOf(left, rank).mmul(matrixOf(right, right.length / rank));
  const data = Float64Array.from(product.to1DArray());
  return spectralParts(
    { rows: product.rows, columns: product.columns, data },
    { k, bottom: true, precise: true },
  );
}

/** Holds both against each other; subspaces to what random matrices of this size tell apart. */
function expectSame(found: SpectralParts, expected: SpectralParts, inputs: number): void {
  const [top] = expected.values as unknown as [number];
  expected.values.forEach((value, i) => {
    expect(Math.abs((found.values[i] ?? 0) - value)).toBeLessThan(1e-13 * top);
  });
  expect(found.k).toBe(expected.k);
  for (const side of ['left', 'right'] as const) {
    const [one, other] = [matrixOf(found[side], found.k), matrixOf(expected[side], found.k)];
    expectOrthonormal(one);
    const gap = (expected.values[found.k - 1]! - (expected.values[found.k] ?? 0)) / top;
    expect(angle(one, other)).toBeLessThan(1e-12 / gap);
  }
  expect(found.bottom === null).toBe(expected.bottom === null);
  if (found.bottom !== null) {
    const [one, other] = [found.bottom, expected.bottom!].map((values) =>
      matrixOf(values, values.length / inputs),
    );
    expectOrthonormal(one!);
    expect(angle(one!, other!)).toBeLessThan(1e-6);
  }
}

describe('lowRankParts', () => {
  it('equals the decomposition of the product, whatever the rank', () => {
    const size = fc.integer({ min: 1, max: 14 });
    const cases = fc.record({
      out: size,
      inputs: size,
      rank: fc.integer({ min: 1, max: 18 }),
      k: fc.integer({ min: 1, max: 10 }),
      seed: fc.nat(1e6),
      scale: fc.constantFrom(1e-20, 1, 1e15),
      single: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ out, inputs, rank, k, seed, scale, single }) => {
        const random = new Random('low rank', seed);
        const left = normals(out, rank, random).mul(scale);
        const given = factorsOf(left, normals(rank, inputs, random), single ? Float32Array : Float64Array);
        const copy = { left: given.left.slice(), right: given.right.slice(), rank };
        const found = lowRankParts(given, { k, bottom: true, precise: false })!;
        expectSame(found, productParts(given, k)!, inputs);
        expect(given).toEqual(copy);
      }),
      { seed: 13, numRuns: 200 },
    );
  });

  it('finds the true rank where columns depend on each other', () => {
    const random = new Random('dependent');
    const half = normals(12, 2, random);
    const left = Matrix.zeros(12, 4);
    left.setSubMatrix(half, 0, 0);
    left.setSubMatrix(half.clone().mul(3), 0, 2);
    const given = factorsOf(left, normals(4, 9, random), Float64Array);
    const found = lowRankParts(given, { k: 10, bottom: true, precise: false })!;
    expect(found.k).toBe(2);
    expectSame(found, productParts(given, 10)!, 9);
  });

  it('says a hundred singular values at most', () => {
    const random = new Random('long');
    const given = factorsOf(normals(125, 110, random), normals(110, 120, random), Float32Array);
    expect(lowRankParts(given, { k: 2, bottom: false, precise: false })!.values).toHaveLength(100);
  });

  it('leaves the bottom out where it was not asked for', () => {
    const random = new Random('bottom');
    const given = factorsOf(normals(5, 4, random), normals(4, 4, random), Float32Array);
    expect(lowRankParts(given, { k: 2, bottom: false, precise: false })!.bottom).toBeNull();
    expect(lowRankParts(given, { k: 2, bottom: true, precise: false })!.bottom).not.toBeNull();
  });

  it('is null where either factor, or the product, is zero', () => {
    const [one, zero] = [Float32Array.of(1, 2, 3, 4), new Float32Array(4)];
    const parts = (left: Float32Array, right: Float32Array, rank = 1) =>
      lowRankParts({ left, right, rank }, { k: 2, bottom: true, precise: false });
    expect(parts(one, zero)).toBeNull();
    expect(parts(zero, one)).toBeNull();
    expect(parts(Float32Array.of(1, 0, 1, 0), Float32Array.of(0, 0, 1, 1), 2)).toBeNull();
    expect(parts(one, one)).not.toBeNull();
  });

  it.each([Number.NaN, Infinity])('is an error for %s', (bad) => {
    for (const side of ['left', 'right']) {
      const given = { left: new Float32Array(6).fill(1), right: new Float32Array(8).fill(1), rank: 2 };
      const broken = {
        ...given,
        [side]: Float32Array.of(1, 1, bad, 1, 1, 1, 1, 1).slice(0, side === 'left' ? 6 : 8),
      };
      const run = () => lowRankParts(broken, { k: 2, bottom: true, precise: false });
      expect(run).toThrow(MergeguardError);
      expect(run).toThrow(`factors with the value ${bad} (at 2) have no singular values`);
    }
  });
});
