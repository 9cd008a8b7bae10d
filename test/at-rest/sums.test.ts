import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockSums, type IndexPair } from '../../src/at-rest/block-sums.js';
import { lowRankNorm, lowRankPair, lowRankWithDense } from '../../src/at-rest/low-rank-sums.js';
import type { LowRank } from '../../src/at-rest/model.js';
import { Random } from '../../src/tensors/index.js';

const dot = (x: ArrayLike<number>, y: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
};
const distance = (x: ArrayLike<number>, y: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i]! - y[i]!) ** 2;
  return sum;
};

function expectRelative(found: number, expected: number, size = Math.abs(expected)): void {
  expect(Math.abs(found - expected), `${found}, ${expected}`).toBeLessThanOrEqual(1e-12 * size);
}

describe('blockSums', () => {
  // A strip is 2048 values, worked on two at a time.
  it.each([0, 1, 2, 3, 2047, 2048, 2049, 4096, 5001])('of %i values are those of plain loops', (length) => {
    const random = new Random('block sums', length);
    const vectors = [
      random.normals(length),
      random.normals(length, 1e-3),
      Float64Array.from({ length }, () => random.normal()),
    ];
    const pairs: IndexPair[] = [
      [0, 1],
      [2, 0],
      [1, 1],
    ];
    const found = blockSums(vectors, pairs);
    for (const [v, vector] of vectors.entries()) {
      expectRelative(found.norms[v]!, dot(vector, vector));
    }
    pairs.forEach(([a, b], p) => {
      const size = Math.sqrt(dot(vectors[a]!, vectors[a]!) * dot(vectors[b]!, vectors[b]!));
      expectRelative(found.dots[p]!, dot(vectors[a]!, vectors[b]!), size);
      expectRelative(found.distances[p]!, distance(vectors[a]!, vectors[b]!));
    });
  });

  it('leave pairs alone that a NaN is not in', () => {
    const vectors = [Float32Array.of(1, 2), Float32Array.of(Number.NaN, 1), Float32Array.of(3, 4)];
    const found = blockSums(vectors, [
      [0, 1],
      [0, 2],
      [1, 2],
    ]);
    expect([...found.norms]).toEqual([5, Number.NaN, 25]);
    expect([...found.dots]).toEqual([Number.NaN, 11, Number.NaN]);
    expect([...found.distances]).toEqual([Number.NaN, 8, Number.NaN]);
  });

  it('of nothing are nothing', () => {
    expect(blockSums([], [])).toEqual({
      norms: new Float64Array(),
      dots: new Float64Array(),
      distances: new Float64Array(),
    });
  });
});

describe('sums of products of thin matrices', () => {
  const thin = (out: number, rank: number, inputs: number, random: Random): LowRank => ({
    rank,
    left: random.normals(out * rank),
    right: random.normals(rank * inputs),
  });

  function product({ left, right, rank }: LowRank): Float64Array {
    const [out, inputs] = [left.length / rank, right.length / rank];
    const dense = new Float64Array(out * inputs);
    for (let i = 0; i < out; i++) {
      for (let j = 0; j < inputs; j++) {
        for (let r = 0; r < rank; r++) dense[i * inputs + j]! += left[i * rank + r]! * right[r * inputs + j]!;
      }
    }
    return dense;
  }

  it('are those of the products, whatever the shapes and ranks', () => {
    const size = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(size, size, size, size, fc.nat(1e6), (out, inputs, rank, other, seed) => {
        const random = new Random('thin', seed);
        const [a, b] = [thin(out, rank, inputs, random), thin(out, other, inputs, random)];
        const [x, y] = [product(a), product(b)];
        const norms = dot(x, x) + dot(y, y);
        expectRelative(lowRankNorm(a), dot(x, x), norms);
        for (const sums of [lowRankPair(a, b), lowRankWithDense(a, y)]) {
          expectRelative(sums.dot, dot(x, y), norms);
          expectRelative(sums.distance, distance(x, y), norms);
        }
      }),
      { seed: 3, numRuns: 150 },
    );
  });

  it('keep the distance of products that are near each other', () => {
    const random = new Random('near');
    const a = thin(20, 3, 16, random);
    const b = { ...a, left: Float64Array.from(a.left, (value) => value * (1 + 1e-9 * random.normal())) };
    const exact = distance(product(a), product(b));
    expect(exact / lowRankNorm(a)).toBeLessThan(1e-17);
    expect(lowRankPair(a, b).distance / exact).toBeCloseTo(1, 5);
    expect(lowRankWithDense(a, product(b)).distance / exact).toBeCloseTo(1, 5);
    expect(lowRankPair(a, a).distance).toBeLessThan(1e-28 * lowRankNorm(a));
  });

  it('leave their arrays as they are', () => {
    const random = new Random('untouched');
    const [a, b] = [thin(5, 2, 4, random), thin(5, 3, 4, random)];
    const copies = [a, b].map(({ left, right }) => [left.slice(), right.slice()]);
    lowRankPair(a, b);
    lowRankNorm(a);
    lowRankWithDense(b, product(a));
    expect([a, b].map(({ left, right }) => [left, right])).toEqual(copies);
  });
});
