import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fadeFactor } from '../../src/steering/index.js';

describe('fadeFactor', () => {
  it.each([
    [-5, 1],
    [0, 1],
    [200, 1],
    [225, 0.75],
    [250, 0.5],
    [299, 0.01],
    [300, 0],
    [1000, 0],
  ])('%i steps into a lifetime of 300 is %f', (since, wanted) => {
    expect(fadeFactor(since, 300)).toBeCloseTo(wanted, 10);
  });

  it('never fades without a lifetime, and is over at once with none', () => {
    expect(fadeFactor(1e9, null)).toBe(1);
    expect(fadeFactor(0, 0)).toBe(0);
  });

  it('falls from 1 to 0, never back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.nat(1200), (lifetime, since) => {
        const factor = fadeFactor(since, lifetime);
        expect(factor).toBeLessThanOrEqual(1);
        expect(factor).toBeGreaterThanOrEqual(fadeFactor(since + 1, lifetime));
        expect(fadeFactor(0, lifetime)).toBe(1);
        expect(fadeFactor(lifetime, lifetime)).toBe(0);
      }),
      { seed: 5 },
    );
  });
});
