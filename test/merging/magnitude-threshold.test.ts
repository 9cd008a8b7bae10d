import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MagnitudeThreshold } from '../../src/merging/magnitude-threshold.js';

describe('MagnitudeThreshold', () => {
  it('is the count-th entry of the sorted magnitudes, for any float32 values in any split into tensors', () => {
    const values = fc.float({ noNaN: true, noDefaultInfinity: true });
    const arrays = fc.array(values, { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(arrays, arrays, fc.nat(), (one, other, pick) => {
        const all = [...one, ...other].map(Math.abs).sort((x, y) => y - x);
        const count = (pick % all.length) + 1;
        // a view that does not begin at the start of its buffer
        const parts = [one, other].map((data) => new Float32Array([9, ...data]).subarray(1));
        const threshold = new MagnitudeThreshold();
        for (const part of parts) {
          threshold.addUpper(part);
        }
        threshold.choose(count);
        for (const part of parts) {
          threshold.addLower(part);
        }
        expect(threshold.count).toBe(all.length);
        expect(threshold.value()).toBe(all[count - 1]);
      }),
      { seed: 20, numRuns: 300 },
    );
  });
});
