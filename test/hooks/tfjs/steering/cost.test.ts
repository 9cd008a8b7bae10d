import { describe, expect, it } from 'vitest';
import { SteeringCost } from '../../../../hooks/tfjs/steering/index.js';

describe('the cost of terms', () => {
  it('is a mean over steps, with those on which no term acts', () => {
    const cost = new SteeringCost();
    expect([cost.share, cost.termMs]).toEqual([null, null]);
    for (let step = 0; step < 400; step++) {
      if (step % 4 === 3) {
        cost.add(3);
        cost.add(5);
      }
      cost.step(10);
    }
    // 8 ms on every fourth step of 10 ms: a fifth.
    expect(cost.share).toBeGreaterThan(0.19);
    expect(cost.share).toBeLessThan(0.22);
    expect(cost.termMs).toBe(8);
    for (let step = 0; step < 400; step++) {
      cost.step(10);
    }
    expect(cost.share).toBeLessThan(0.001);
  });

  it('is not known before a plain step has been timed', () => {
    const cost = new SteeringCost();
    cost.add(100);
    cost.step(null);
    expect(cost.share).toBeNull();
    cost.step(10);
    expect(cost.share).toBe(0);
  });
});
