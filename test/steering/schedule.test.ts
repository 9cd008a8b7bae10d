import { describe, expect, it } from 'vitest';
import { dueOn, extraEvaluations } from '../../src/steering/schedule.js';
import { Random } from '../../src/tensors/random.js';

const STEPS = 4000;

/** Share of the steps that it is due on. */
function share(schedule: Parameters<typeof dueOn>[0], strength: number): number {
  const due = dueOn(schedule, new Random('due', 1));
  return Array.from({ length: STEPS }, (_, step) => due(step, strength)).filter(Boolean).length / STEPS;
}

describe('dueOn', () => {
  it.each([
    [{ every: 1, probability: 1 }, 0.3, 1],
    [{ every: 4, probability: 1 }, 1, 0.25],
    [{ every: 2, probability: 0.5 }, 0.1, 0.25],
    [{ every: 1, probability: 1, form: 'in_place' as const }, 0.3, 0.3],
    [{ every: 2, probability: 0.5, form: 'in_place' as const }, 0.5, 0.125],
    [{ every: 1, probability: 0.5, form: 'in_place' as const }, 7, 0.5],
    [{ every: 1, probability: 1, form: 'in_place' as const }, 0, 0],
    [{ every: 1, probability: 1 }, 0, 0],
  ])('%j at strength %f: %f of the steps', (schedule, strength, wanted) => {
    // Four standard deviations of a share.
    const slack = 4 * Math.sqrt((wanted * (1 - wanted)) / STEPS);
    expect(Math.abs(share(schedule, strength) - wanted)).toBeLessThanOrEqual(slack);
  });

  it('is never due before its first step', () => {
    const due = dueOn({ every: 2, probability: 1, from: 4 }, new Random('due', 1));
    const steps = Array.from({ length: 8 }, (_, step) => step);
    expect(steps.filter((step) => due(step, 1))).toEqual([5, 7]);
  });

  it('draws the same from the same seed', () => {
    const drawn = [1, 1, 2].map((seed) => {
      const due = dueOn({ every: 1, probability: 0.5 }, new Random(seed));
      return Array.from({ length: 50 }, (_, step) => due(step, 1));
    });
    expect(drawn[1]).toEqual(drawn[0]);
    expect(drawn[2]).not.toEqual(drawn[0]);
  });
});

it('costs an evaluation where it acts, none in place', () => {
  expect(extraEvaluations({ every: 4, probability: 0.5 })).toBe(0.125);
  expect(extraEvaluations({ every: 4, probability: 0.5, form: 'in_place' })).toBe(0);
});
