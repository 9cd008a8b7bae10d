import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { controllerOptions, SteeringController } from '../../src/steering/controller/index.js';
import { type Plant, type Stand, simulate } from './plant.js';

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
    expect(stands.slice(0, 5).every(({ level }) => level === 0)).toBe(true);
    expect(stands.map(({ level }) => level).slice(5, 9)).toEqual([0.25, 0.5, 0.75, 1]);
    expect(stands.at(-1)).toMatchObject({ level: 1, phase: 'kept' });
    const said = stands.flatMap(({ decision }) => decision?.reason ?? []);
    expect(said.at(-1)).toMatch(
      /^it helps: self-probe \d+\.\d % against \d+\.\d % as the trend before led to expect, give or take \d\.\d points$/,
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
      /goes back to 75 % of full strength: it does not help: self-probe \d+\.\d % against \d+\.\d % as .*; tried again after 12 measurements without/,
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
      const controller = new SteeringController({ ...controllerOptions.parse({}), target: 0.9 });
      simulate({ ...QUIET, gain: 0.05, seed: 6 }, {}, long, 'selfProbe', controller);
      const give = (step: number, value: number) => {
        const measured = { step, value, standardError: 0 };
        const none = { mergeProbe: null, prediction: null, stepCost: null };
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
    const controller = new SteeringController(controllerOptions.parse({}));
    const reasons: string[] = [];
    for (let i = 1; i <= 40 && reasons.length === 0; i++) {
      const step = 10 * i;
      const measured = (value: number) => ({ step, value, standardError: 0.01 });
      const decision = controller.update({
        step,
        mergeProbe: i % 3 === 0 ? measured(0.8) : null,
        selfProbe: measured(0.9),
        prediction: measured(0.95),
        own: measured(0.95),
        stepCost: null,
      });
      reasons.push(...(decision === null ? [] : [`${step}: ${decision.reason}`]));
    }
    expect(reasons[0]).toBe(
      '120: raised from none to 25 % of full strength: after 4 measurements without steering (merge probe), now 80.0 %',
    );
    const guessing = simulate({ ...QUIET, gain: 0.05, seed: 7 }, {}, 10, 'prediction');
    expect(guessing.find(({ decision }) => decision !== null)?.decision?.reason).toContain('(prediction)');
  });

  it('lets terms act more rarely while they cost more than their budget, never oftener again', () => {
    const controller = new SteeringController(controllerOptions.parse({}));
    const stretches: number[] = [];
    for (let step = 10; step <= 600; step += 10) {
      const measured = { step, value: 0.8, standardError: 0 };
      const none = { mergeProbe: null, prediction: null };
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
    const controller = new SteeringController(controllerOptions.parse({}));
    simulate({ ...QUIET, gain: 0.05, seed: 3 }, {}, 60, 'selfProbe', controller);
    expect(controller.phase).toBe('kept');
    controller.restart(600);
    expect(controller.phase).toBe('plain');
  });

  it('ignores what is not a number', () => {
    const controller = new SteeringController(controllerOptions.parse({}));
    for (let step = 1; step < 30; step++) {
      const measured = { step, value: Number.NaN, standardError: Number.NaN };
      const all = { mergeProbe: measured, selfProbe: measured, prediction: measured, own: measured };
      expect(controller.update({ step, ...all, stepCost: Number.NaN })).toBeNull();
    }
  });
});
