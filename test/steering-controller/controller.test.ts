import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CostWatch } from '../../src/steering/controller/cost-watch.js';
import type { Measurements } from '../../src/steering/controller/index.js';
import { controllerOf, type Plant, type Stand, simulate } from './plant.js';

const SEEDS = Array.from({ length: 30 }, (_, seed) => seed);
const QUIET: Omit<Plant, 'seed'> = { gain: 0, ownChange: 0, noise: 0.005, slowness: 40 };

function ends(plant: Partial<Plant>, measurements = 200): Record<string, number> {
  const count: Record<string, number> = {};
  for (const seed of SEEDS) {
    const phase = simulate({ ...QUIET, ...plant, seed }, {}, measurements).at(-1)!.phase;
    count[phase] = (count[phase] ?? 0) + 1;
  }
  return count;
}

const plants = fc.record({
  gain: fc.double({ min: -0.2, max: 0.2, noNaN: true }),
  ownChange: fc.double({ min: -0.2, max: 0.1, noNaN: true }),
  noise: fc.double({ min: 0, max: 0.1, noNaN: true }),
  slowness: fc.double({ min: 1, max: 500, noNaN: true }),
  seed: fc.nat(1000),
});
const options = fc.record({
  target: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  maximumRate: fc.double({ min: 0.01, max: 1, noNaN: true }),
  every: fc.oneof(fc.constant('auto' as const), fc.integer({ min: 1, max: 60 })),
  accuracyBudget: fc.double({ min: 0, max: 0.1, noNaN: true }),
});

function steps(stands: readonly Stand[]): [Stand, Stand][] {
  return stands.slice(1).map((stand, i) => [stands[i]!, stand]);
}

describe('the controller', () => {
  it('never leaves its limits, nor moves faster than its rate, and says why whenever it moves', () => {
    fc.assert(
      fc.property(
        plants,
        options,
        fc.constantFrom('mergeProbe', 'selfProbe', 'prediction'),
        (plant, given, source) => {
          for (const [before, after] of steps(simulate(plant, given, 120, source))) {
            expect(after.level).toBeGreaterThanOrEqual(0);
            expect(after.level).toBeLessThanOrEqual(1);
            expect(Math.abs(after.level - before.level)).toBeLessThanOrEqual(given.maximumRate + 1e-12);
            if (after.level !== before.level) {
              expect(after.decision?.reason).toMatch(/\d/);
            }
          }
        },
      ),
      { seed: 1, numRuns: 150 },
    );
  });

  it('decides no oftener than told', () => {
    fc.assert(
      fc.property(plants, fc.integer({ min: 10, max: 90 }), (plant, every) => {
        const moved = steps(simulate(plant, { every }, 200)).filter(([a, b]) => a.level !== b.level);
        for (const [i, [, stand]] of moved.slice(1).entries()) {
          expect(stand.step - moved[i]![1].step).toBeGreaterThanOrEqual(every);
        }
      }),
      { seed: 2, numRuns: 40 },
    );
  });

  it('begins with a plain phase, and keeps what helps at full strength', () => {
    const stands = simulate({ ...QUIET, gain: 0.05, seed: 3 }, {}, 60);
    expect(stands.slice(0, 10).every(({ level }) => level === 0)).toBe(true);
    expect(stands.map(({ level }) => level).slice(10, 14)).toEqual([0.25, 0.5, 0.75, 1]);
    expect(stands.at(-1)).toMatchObject({ level: 1, phase: 'kept' });
    const said = stands.flatMap(({ decision }) => decision?.reason ?? []);
    expect(said.at(-1)).toMatch(
      /^it helps: self-probe \(the own measure of merge_simulation\) \d+\.\d % against \d+\.\d % as the trend before led to expect, give or take \d\.\d points$/,
    );
    expect(ends({ gain: 0.05 })).toEqual({ kept: SEEDS.length });
  });

  it('stays off where the term only costs accuracy, in any noise', () => {
    expect(ends({ gain: -0.03, ownChange: -0.03 }).off).toBe(SEEDS.length);
    expect(ends({ gain: 0, ownChange: -0.03 }).off).toBeGreaterThanOrEqual(SEEDS.length - 1);
    expect(ends({ gain: 0, ownChange: -0.05, noise: 0.02 }, 400).off).toBeGreaterThanOrEqual(
      SEEDS.length - 3,
    );
  });

  it('mostly stays off where nothing changes but the noise', () => {
    expect(ends({ noise: 0.02 }).off).toBeGreaterThan(0.75 * SEEDS.length);
  });

  it('tries at most three times, with pauses that grow, and says so with both numbers', () => {
    const stands = simulate({ ...QUIET, gain: -0.03, ownChange: 0, seed: 1 }, {}, 300);
    const starts = steps(stands).flatMap(([before, { phase, step }]) =>
      before.phase === 'plain' && phase === 'trying' ? [step] : [],
    );
    const backs = steps(stands).flatMap(([before, { phase, level, step }]) =>
      before.level > 0 && level === 0 && phase !== 'trying' ? [step] : [],
    );
    expect(starts).toHaveLength(3);
    expect(starts[1]! - backs[0]!).toBe(120);
    expect(starts[2]! - backs[1]!).toBe(240);
    expect(stands.at(-1)).toMatchObject({ level: 0, phase: 'off' });
    const said = stands.flatMap(({ decision }) => decision?.reason ?? []).join('\n');
    expect(said).toMatch(
      /goes back to 75 % of full strength: it does not help: self-probe \(.*\) \d+\.\d % against \d+\.\d % as .*; tried again after 12 measurements without/,
    );
    expect(said).toContain('tried 3 times, and stays off');
  });

  it('goes back when the model itself loses more than its budget, however much the merge gains', () => {
    const stands = simulate({ ...QUIET, gain: 0.1, ownChange: -0.15, seed: 4 }, {}, 150);
    expect(
      stands.map(({ decision }) => decision?.reason).find((reason) => reason?.includes('own accuracy')),
    ).toMatch(
      /own accuracy is \d+\.\d % against \d+\.\d % as its trend without led to expect, which is more than its budget of 0\.5 points/,
    );
    const rich = simulate({ ...QUIET, gain: 0.1, ownChange: -0.15, seed: 4 }, { accuracyBudget: 0.3 }, 150);
    expect(rich.at(-1)?.phase).toBe('kept');
  });

  it('steers no more than its target needs', () => {
    const stands = simulate({ ...QUIET, gain: 0.08, seed: 5 }, { target: 0.82 }, 300);
    const late = stands.slice(150);
    const mean = late.reduce((sum, { merged }) => sum + merged, 0) / late.length;
    expect(mean).toBeGreaterThan(0.81);
    expect(mean).toBeLessThan(0.835);
    expect(late.every(({ level }) => level < 1)).toBe(true);
    const easy = simulate({ ...QUIET, gain: 0.08, seed: 5 }, { target: 0.5 }, 100);
    expect(easy.every(({ level }) => level === 0)).toBe(true);
  });

  it('does not wind up: a target out of reach for long is let go at once when it is reached', () => {
    for (const long of [50, 1000]) {
      const controller = controllerOf({ target: 0.9 });
      simulate({ ...QUIET, gain: 0.05, seed: 6 }, {}, long, 'selfProbe', controller);
      const give = (step: number, value: number) => {
        const measured = { step, value, standardError: 0 };
        const none = { mergeProbe: null, hasMergeProbes: false, prediction: null, stepCost: 0 };
        return controller.update({ step, ...none, selfProbe: measured, own: measured });
      };
      const after = long * 10;
      const levels = [1, 2, 3, 4, 5, 6, 7, 8].map((i) => give(after + 10 * i, 0.98)?.level);
      // The third measurement is the middle one's second.
      expect(levels.find((level) => level !== undefined)).toBeLessThan(1);
      expect(levels.indexOf(0)).toBeGreaterThan(0);
    }
  });

  it('trusts the merge probe, waits for one that has begun, and takes the prediction only where there is nothing else', () => {
    const controller = controllerOf();
    const reasons: string[] = [];
    for (let i = 1; i <= 40 && reasons.length === 0; i++) {
      const step = 10 * i;
      const measured = (value: number) => ({ step, value, standardError: 0.01 });
      const decision = controller.update({
        step,
        mergeProbe: i % 3 === 0 ? measured(0.8) : null,
        hasMergeProbes: true,
        selfProbe: measured(0.9),
        prediction: measured(0.95),
        own: measured(0.95),
        stepCost: null,
      });
      reasons.push(...(decision === null ? [] : [`${step}: ${decision.reason}`]));
    }
    expect(reasons[0]).toBe(
      '150: raised from none to 25 % of full strength: after 5 measurements by the merge probe without steering, now 80.0 %',
    );
    const guessing = simulate({ ...QUIET, gain: 0.05, seed: 7 }, {}, 12, 'prediction');
    expect(guessing.find(({ decision }) => decision !== null)?.decision?.reason).toContain(
      'by the prediction',
    );
  });

  it('lets terms act more rarely while they cost more than their budget, never oftener again', () => {
    const controller = controllerOf();
    const stretches: number[] = [];
    for (let step = 10; step <= 600; step += 10) {
      const measured = { step, value: 0.8, standardError: 0 };
      const none = { mergeProbe: null, hasMergeProbes: false, prediction: null };
      const stretch = stretches.at(-1) ?? 1;
      const decision = controller.update({
        step,
        ...none,
        selfProbe: measured,
        own: measured,
        stepCost: 1 / stretch,
      });
      stretches.push(decision?.stretch ?? stretch);
    }
    expect(new Set(stretches).size).toBe(2);
    expect(stretches[0]).toBe(1);
    expect(stretches.at(-1)).toBeCloseTo(1 / 0.35, 10);
  });

  it('begins anew after somebody else has steered', () => {
    const controller = controllerOf();
    simulate({ ...QUIET, gain: 0.05, seed: 3 }, {}, 60, 'selfProbe', controller);
    expect(controller.phase).toBe('kept');
    controller.restart(600);
    expect(controller.phase).toBe('plain');
  });

  it('ignores what is not a number', () => {
    const controller = controllerOf();
    for (let step = 1; step < 30; step++) {
      const measured = { step, value: Number.NaN, standardError: Number.NaN };
      const all = {
        mergeProbe: measured,
        hasMergeProbes: true,
        selfProbe: measured,
        prediction: measured,
        own: measured,
      };
      expect(controller.update({ step, ...all, stepCost: Number.NaN })).toBeNull();
    }
  });

  /** What comes of measurements at these steps, all of the self-probe. */
  function given(
    steps: readonly number[],
    options: Parameters<typeof controllerOf>[0],
    measure: (step: number, level: number) => Partial<Measurements> & { merged?: number; accuracy?: number },
  ) {
    const controller = controllerOf({ terms: ['sharpness'], ...options }, ['sharpness']);
    let level = 0;
    return steps.map((step) => {
      const { merged = 0.8, accuracy = 0.9, ...rest } = measure(step, level);
      const value = (of: number) => ({ step, value: of, standardError: 0.001 });
      const decision = controller.update({
        step,
        mergeProbe: null,
        hasMergeProbes: false,
        selfProbe: value(merged),
        prediction: null,
        own: value(accuracy),
        stepCost: level > 0 ? 0 : null,
        ...rest,
      });
      level = decision?.level ?? level;
      return { step, level, phase: controller.phase, reason: decision?.reason ?? '' };
    });
  }
  const stepOf = (stands: { step: number; reason: string }[], reason: string) =>
    stands.find((stand) => stand.reason.includes(reason))?.step;

  it('compares stretches of at least 100 steps, however often it measures', () => {
    const stands = given(every(2, 300), {}, () => ({}));
    expect(stepOf(stands, 'raised from none')).toBe(102);
    expect(stepOf(stands, 'it does not help')).toBe(206);
  });

  it('decides at a fixed cadence too only where its judge has something new, and counts what changes nothing', () => {
    const rare = given(every(10, 600), { every: 10 }, (step) => (step % 50 === 0 ? {} : { selfProbe: null }));
    const raised = rare.filter(({ reason }) => reason.startsWith('raised')).map(({ step }) => step);
    expect(raised).toEqual([300, 350, 400, 450]);
    const dense = given(every(10, 200), { every: 60 }, () => ({}));
    expect(stepOf(dense, 'raised')).toBe(130);
  });

  it('takes a value of the judge that came between two decisions', () => {
    const stands = given(every(10, 600), { every: 100 }, (step) =>
      step % 70 === 0 ? {} : { selfProbe: null },
    );
    // The sixth value, of step 420, 50 after the decision before.
    expect(stepOf(stands, 'raised')).toBe(470);
  });

  it('judges by the merge probe alone where the run has one and the self-probe is the measure of its terms', () => {
    const jitter = { terms: ['scale_jitter'] };
    const begun = given(every(10, 2000), jitter, () => ({ hasMergeProbes: true }));
    expect(begun.every(({ level }) => level === 0)).toBe(true);
    const none = given(every(10, 300), jitter, () => ({}));
    expect(stepOf(none, 'by the self-probe (the own measure of scale_jitter) without steering')).toBe(110);
    const other = given(every(10, 300), {}, () => ({ hasMergeProbes: true }));
    expect(stepOf(other, 'by the self-probe without steering')).toBe(110);
  });

  it('leaves out merges of which a part was made before', () => {
    const rounds = (age: number) =>
      given(every(10, 600), {}, (step) => ({
        selfProbe: null,
        mergeProbe: { step, since: step - age, value: 0.8, standardError: 0.001 },
      }));
    expect(stepOf(rounds(0), 'it does not help')).toBe(230);
    expect(stepOf(rounds(95), 'it does not help')).toBe(410);
  });

  it('keeps the budget of own accuracy from the first strength on', () => {
    const stands = given(every(10, 400), { maximumRate: 0.02 }, (_, level) => ({
      accuracy: level > 0 ? 0.7 : 0.9,
    }));
    const at = stepOf(stands, 'own accuracy');
    expect(at).toBeLessThan(180);
    expect(Math.max(...stands.map(({ level }) => level))).toBeLessThan(0.2);
  });

  it('counts a try only where it moves something', () => {
    // A miss that is too small for a first move; it adds up.
    const stands = given(every(10, 200), { target: 0.806 }, () => ({}));
    const first = stands.findIndex(({ phase }) => phase === 'trying');
    expect(stands[first]!.level).toBeGreaterThan(0);
    expect(stands[first]!.step).toBe(140);
  });

  it('goes off for good where no term acts, also at a fixed cadence, and not where they do', () => {
    for (const cadence of ['auto', 200] as const) {
      const steps = every(10, 3000);
      const stands = given(steps, { every: cadence }, (step) => ({
        stepCost: null,
        merged: 0.5 + step / 1e4,
      }));
      expect(stands.at(-1)).toMatchObject({ level: 0, phase: 'off' });
      expect(stepOf(stands, 'no term acts')).toBeDefined();
      const acting = given(steps, { every: cadence }, () => ({ stepCost: 0 }));
      expect(stepOf(acting, 'no term acts')).toBeUndefined();
    }
  });

  it('goes off for good where terms cost too much however rarely they act', () => {
    const stands = given(every(10, 3000), {}, (step) => ({
      stepCost: 1,
      merged: Math.min(0.9, 0.5 + step / 1e4),
    }));
    expect(stands.at(-1)).toMatchObject({ level: 0, phase: 'off' });
    expect(stepOf(stands, 'none of them can act more rarely; stays off')).toBeDefined();
  });
});

describe('the watch of what terms cost', () => {
  it('reads after a change nothing for 150 steps, however many ticks these are', () => {
    for (const gap of [1, 40]) {
      const watch = new CostWatch(0.1, ['sharpness']);
      const told = every(gap, 2000).filter((step) => watch.add(0.2, step) !== null);
      expect(told.slice(0, 2)).toEqual([5 * gap, 5 * gap + Math.ceil(150 / gap) * gap + 4 * gap]);
    }
  });

  it('says by how much more rarely which terms act, and in the end that it is too much', () => {
    const watch = new CostWatch(0.1, ['sharpness', 'functional']);
    const told = every(10, 4000).flatMap((step) => watch.add(0.2, step) ?? []);
    expect(told[0]).toBe(
      'the terms cost 20 % of step time, above their budget of 10 %: 2.0 times as many steps as at first between two actions of sharpness, functional',
    );
    expect(told).toHaveLength(7);
    expect([watch.stretch, watch.isTooMuch]).toEqual([64, true]);
    expect(told.at(-1)).toContain('and none of them can act more rarely');
  });
});

function every(by: number, last: number): number[] {
  return Array.from({ length: Math.floor(last / by) }, (_, i) => by * (i + 1));
}
