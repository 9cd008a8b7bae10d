import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearest } from '../../src/tensors/nearest.js';

describe('nearest known word', () => {
  it('is the least edited one, if near', () => {
    expect(nearest('belw', ['below', 'bell', 'clearAbove'])).toBe('below');
    expect(nearest('frobnicate', ['below', 'clearAbove'])).toBeNull();
  });

  it('edit distance is a metric that counts single edits', () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, a)).toBe(0);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
        expect(editDistance(a, `${a}x`)).toBe(1);
      }),
      { seed: 4 },
    );
    expect(editDistance('kitten', 'sitting')).toBe(3);
  });
});
