import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTIVITIES, type Activity, Budget } from '../../../hooks/tfjs/budget.js';
import { Random } from '../../../src/tensors/index.js';

const ALL: readonly Activity[] = ['fold', 'tick', 'probe'];
const none = () => Object.fromEntries(ACTIVITIES.map((name) => [name, 0])) as Record<Activity, number>;

interface Run {
  readonly overhead: number;
  readonly active?: readonly Activity[];
  readonly steps?: number;
  readonly stepMs?: (step: number) => number;
  readonly cost: (activity: Activity, step: number) => number;
  /** what was measured before training; defaults to the cost at step 0 */
  readonly expected?: (activity: Activity) => number;
}

/** A training that does whatever the budget allows: time by activity, over plain time. */
function shares({ overhead, active = ALL, steps = 20_000, stepMs = () => 50, cost, expected }: Run) {
  const budget = new Budget(overhead, active);
  for (const activity of active) {
    budget.expect(activity, expected ? expected(activity) : cost(activity, 0));
  }
  const [spent, times] = [none(), none()];
  let plain = 0;
  for (let step = 0; step < steps; step++) {
    const ms = stepMs(step);
    plain += ms;
    budget.step(ms);
    for (const activity of ACTIVITIES) {
      if (budget.affords(activity)) {
        const taken = cost(activity, step);
        budget.spend(activity, taken);
        spent[activity] += taken;
        times[activity] += 1;
      }
    }
  }
  const total = (spent.fold + spent.tick + spent.probe) / plain;
  return { budget, spent, times, plain, total };
}

describe('the overhead budget', () => {
  it.each([
    { overhead: 0.01, fold: 1, tick: 8, probe: 40, least: 0.0095 },
    { overhead: 0.02, fold: 1, tick: 8, probe: 40, least: 0.019 },
    { overhead: 0.05, fold: 1, tick: 8, probe: 40, least: 0.047 },
    // Everything on every step costs less than it may.
    { overhead: 0.5, fold: 0.1, tick: 0.1, probe: 0.1, least: 0.0059 },
    // One probe costs more than the whole run may: it never comes.
    { overhead: 0.02, fold: 1, tick: 8, probe: 1e6, least: 0.0118 },
    { overhead: 0, fold: 1, tick: 8, probe: 40, least: 0 },
  ])('of $overhead is used and kept: costs $fold, $tick, $probe ms', ({ overhead, least, ...costs }) => {
    const { total, budget } = shares({ overhead, cost: (activity) => costs[activity as keyof typeof costs] });
    expect(total).toBeLessThanOrEqual(overhead);
    expect(total).toBeGreaterThanOrEqual(least);
    expect(budget.overhead).toBeCloseTo(total, 10);
  });

  it('is never exceeded in the long run, whatever things cost', () => {
    const activities = fc.subarray([...ALL], { minLength: 1 });
    const ms = fc.double({ min: 0.01, max: 100, noNaN: true });
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 0.5, noNaN: true }),
        activities,
        fc.tuple(ms, ms, ms),
        ms,
        fc.integer({ min: 0, max: 999 }),
        (overhead, active, costs, expected, seed) => {
          const random = new Random('budget', seed);
          const most = Math.max(...costs);
          const { spent, budget } = shares({
            overhead,
            active,
            steps: 2000,
            stepMs: () => random.uniform(20, 60),
            cost: (activity) => costs[ALL.indexOf(activity)] * random.uniform(0, 2),
            expected: () => expected,
          });
          const total = spent.fold + spent.tick + spent.probe;
          // Every activity may be in debt for its last run, and for no more.
          expect(total).toBeLessThanOrEqual(overhead * 2000 * 60 + active.length * 2 * most);
          expect(budget.overhead).toBeLessThanOrEqual(overhead + (active.length * 2 * most) / (2000 * 20));
        },
      ),
      { seed: 5, numRuns: 100 },
    );
  });

  it.each([
    {
      active: ACTIVITIES,
      share: { fold: 0.18, tick: 0.2, probe: 0.25, slow: 0.15, functional: 0.1, merge: 0.1, look: 0.02 },
    },
    { active: ALL, share: { fold: 18 / 63, tick: 20 / 63, probe: 25 / 63 } },
    { active: ['tick'] as const, share: { tick: 1 } },
  ])('goes to those that are active: $active', ({ active, share }) => {
    const { spent, plain } = shares({ overhead: 0.02, active, cost: () => 4 });
    for (const activity of ACTIVITIES) {
      const expected = (share as Partial<Record<Activity, number>>)[activity] ?? 0;
      expect(spent[activity] / plain / 0.02).toBeCloseTo(expected, 2);
    }
  });

  it('a self-probe comes at least twice as often as the merge probe of a single pair', () => {
    // A pass over 128 samples takes 40 ms; a merge probe has three of them in four pieces each, and a merge.
    const cost = (activity: Activity) => ({ probe: 80, merge: 10 })[activity as string] ?? 4;
    const { times } = shares({ overhead: 0.02, active: ACTIVITIES, steps: 100_000, cost });
    expect(times.probe).toBeGreaterThan(2 * (times.merge / 13));
  });

  it('what is spent when training is over is no overhead', () => {
    const budget = new Budget(0.1, ['tick']);
    budget.step(100);
    budget.spend('tick', 5);
    budget.end();
    budget.spend('tick', 500);
    expect(budget.overhead).toBe(0.05);
    expect(budget.cost('tick')).toBeGreaterThan(5);
  });

  it('a cost that was underrated is paid back by waiting', () => {
    const { total } = shares({ overhead: 0.02, cost: () => 50, expected: () => 0.1 });
    expect(total).toBeLessThanOrEqual(0.02 + 150 / (20_000 * 50));
  });

  it('on a device beside the thread what rehearsals took is charged, however soon the thread is done', () => {
    // A tick takes the device 5 ms and the thread half a millisecond to hand it over; an answer takes 2 ms.
    const answerMs = 2;
    const budget = new Budget(0.02, ['tick']);
    budget.beside(answerMs);
    budget.expect('tick', 5 + answerMs);
    let device = 0;
    for (let step = 0; step < 20_000; step++) {
      budget.step(50);
      if (budget.affords('tick')) {
        budget.spend('tick', 0.5);
        device += 5;
      }
    }
    expect(device / (20_000 * 50)).toBeLessThanOrEqual(0.02);
    expect(device / (20_000 * 50)).toBeGreaterThan(0.019);
    expect(budget.overhead).toBeCloseTo(device / (20_000 * 50), 10);
    expect(budget.cost('tick')).toBeCloseTo(5, 10);
  });

  it('beside the thread a run that takes the thread longer than the device is charged by the thread', () => {
    const budget = new Budget(0.02, ['fold']);
    budget.beside(2);
    // Done before the quickest answer: nothing is left for the device.
    budget.expect('fold', 1);
    budget.step(100);
    budget.spend('fold', 1.5);
    expect(budget.overhead).toBeCloseTo(0.015, 10);
  });

  it('beside the thread a run that has come to do half as much is charged half as much', () => {
    const budget = new Budget(0.02, ['tick']);
    budget.beside(2);
    budget.expect('tick', 10);
    budget.scale('tick', 0.5);
    expect(budget.cost('tick')).toBe(4);
    budget.step(100);
    budget.spend('tick', 0.5);
    expect(budget.overhead).toBeCloseTo(0.04, 10);
  });

  it('nobody saves up for a burst', () => {
    const budget = new Budget(0.1, ['tick']);
    budget.expect('tick', 5);
    for (let step = 0; step < 10_000; step++) {
      budget.step(10);
    }
    let runs = 0;
    while (budget.affords('tick')) {
      budget.spend('tick', 5);
      runs += 1;
    }
    expect(runs).toBe(2);
  });

  it('a single long step is a pause and earns nothing; long steps that stay are the new step', () => {
    const budget = new Budget(0.02, ['tick']);
    budget.expect('tick', 1000);
    for (let step = 0; step < 50; step++) {
      budget.step(10);
    }
    budget.step(60_000);
    expect(budget.affords('tick')).toBe(false);
    expect(budget.stepMs).toBeCloseTo(10);
    for (let step = 0; step < 100; step++) {
      budget.step(100);
    }
    expect(budget.stepMs).toBeCloseTo(100, 0);
  });

  it('tells how many steps pay for a run', () => {
    const budget = new Budget(0.02, ['tick']);
    expect(budget.stepsPerRun('tick')).toBeNull();
    budget.expect('tick', 10);
    budget.step(5);
    // 2 % of 5 ms is a hundredth of 10 ms
    expect(budget.stepsPerRun('tick')).toBeCloseTo(100, 10);
    expect(budget.stepsPerRun('fold')).toBeNull();
    const none = new Budget(0, ['tick']);
    none.expect('tick', 10);
    none.step(5);
    expect(none.stepsPerRun('tick')).toBe(Number.POSITIVE_INFINITY);
  });

  it('nothing is afforded before its cost is known, nor what is not active', () => {
    const budget = new Budget(0.5, ['fold']);
    budget.step(1000);
    expect(ALL.map((activity) => budget.affords(activity))).toEqual([false, false, false]);
    budget.expect('fold', 1);
    budget.expect('tick', 0);
    budget.step(1000);
    expect(ALL.map((activity) => budget.affords(activity))).toEqual([true, false, false]);
    expect(new Budget(0.02, ALL)).toMatchObject({ overhead: null, stepMs: null });
  });
});
