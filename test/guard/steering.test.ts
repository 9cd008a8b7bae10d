import { firstValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { ProbeEvent, SteerEvent } from '../../src/guard/events.js';
import { createGuard, type Guard, type GuardConfigInput, resolveConfig } from '../../src/guard/index.js';
import { MergeRounds } from '../../src/guard/steering/merge-rounds.js';
import { MergeguardError, Random } from '../../src/tensors/index.js';
import { guardOf, of } from './guard-bench.js';
import { observation, selfProbe, setup } from './samples.js';

/** An observation every 10 steps with a self-probe that finds `merged` of an own accuracy of 0.95. */
function observed(step: number, merged: number, steering = 0) {
  const probe = { ...selfProbe, accuracy: 0.95, scaledAccuracy: merged, samples: 10_000, step };
  const made = observation(step, (statistics) => Object.assign(statistics, { selfProbe: probe }));
  return { ...made, cost: { ...made.cost, steering } };
}

/**
 * A run that merges at 0.6, and better the longer steering is on (`gain` a tick at full strength).
 * @param cost share of step time that the last term costs on a step on which it acts
 */
async function controlled(
  options: GuardConfigInput,
  gain: number,
  ticks = 60,
  cost = 0,
): Promise<SteerEvent[]> {
  const guard = guardOf(options);
  const all = firstValueFrom(guard.events.pipe(toArray()));
  const random = new Random('controlled');
  let strength = 0;
  let every = 1;
  guard.events.subscribe((event) => {
    if (event.event === 'steer') {
      strength = event.terms[0]?.strength ?? 0;
      every = Number(event.terms.at(-1)?.parameters.every ?? 1);
    }
  });
  let merged = 0.6;
  for (let i = 1; i <= ticks; i++) {
    merged = Math.min(0.9, merged + gain * strength);
    guard.observe(observed(10 * i, merged + 0.001 * random.normal(), cost / every));
    await Promise.resolve();
  }
  await guard.close('done');
  return of(await all, 'steer');
}

async function settled(guard: Guard, steps: readonly number[]): Promise<void> {
  for (const step of steps) {
    guard.observe(observed(step, 0.8));
    await Promise.resolve();
  }
}

const decades = (from: number, to: number) =>
  Array.from({ length: (to - from) / 10 + 1 }, (_, i) => from + 10 * i);

describe('the controller of a run', () => {
  const controller = { enabled: true, terms: ['sharpness'] };
  const enabled = { steering: { controller } };

  it('raises what helps by a quarter a decision, within its cost, and says why', async () => {
    const steers = await controlled(enabled, 0.01);
    expect(steers.slice(0, 4).map(({ terms }) => terms[0]!.strength)).toEqual([0.25, 0.5, 0.75, 1]);
    expect(steers[0]).toMatchObject({
      step: 110,
      // one more gradient on every third step is within 35 %
      terms: [{ term: 'sharpness', parameters: { every: 3, radius: 0.05 } }],
      lifetimeSteps: 120,
      source: 'controller',
      reason: expect.stringMatching(
        /^raised from none to 25 % of full strength: after 11 measurements .* 59\.\d %$/,
      ),
    });
    expect(steers[0]).not.toHaveProperty('fromStep');
    expect(steers.some(({ reason }) => reason.startsWith('it helps: self-probe'))).toBe(true);
    expect(steers.at(-1)!.terms[0]!.strength).toBe(1);
  });

  it('renews what is in force at half of its lifetime while observations come', async () => {
    const steers = await controlled(enabled, 0.01);
    const renewals = steers.filter(({ reason }) => reason === 'goes on as it is');
    expect(renewals.length).toBeGreaterThan(3);
    for (const renewal of renewals) {
      const before = steers.filter(({ step }) => step < renewal.step).at(-1)!;
      expect(renewal.step - before.step).toBe(60);
    }
  });

  it('takes back what does not help, and stays off', async () => {
    const steers = await controlled(enabled, -0.01, 120);
    expect(steers.some(({ reason }) => reason.includes('it does not help: self-probe'))).toBe(true);
    expect(steers.at(-1)!.terms).toEqual([]);
    expect(steers.at(-1)!.reason).toMatch(/goes back to none: .* against .*stays off$/);
  });

  it('acts on a later step at a fixed cadence, so that the way to the hook does not count', async () => {
    const steers = await controlled({ steering: { controller: { ...controller, every: 20 } } }, 0.01);
    const decided = steers.filter(({ reason }) => reason !== 'goes on as it is');
    expect(decided.length).toBeGreaterThan(4);
    expect(decided.every(({ step, fromStep }) => fromStep === step + 10)).toBe(true);
    expect(decided[1]!.step - decided[0]!.step).toBe(20);
    expect(decided[0]!.lifetimeSteps).toBe(240);
  });

  it('keeps fixed strengths beside its own terms', async () => {
    const steers = await controlled({ steering: { proximal: { strength: 0.01 }, controller } }, 0, 12);
    expect(steers.map(({ source }) => source)).toEqual(['config', 'controller', 'controller']);
    expect(steers[1]!.terms.map(({ term }) => term)).toEqual(['proximal', 'sharpness']);
  });

  it('simulates merges in place by default, up to its default strength: on a share of the steps, none of them left out to save time', async () => {
    const steers = await controlled({ steering: { controller: { enabled: true, costBudget: 0.01 } } }, 0.01);
    const strengths = steers.slice(0, 4).map(({ terms }) => terms[0]!.strength);
    expect(strengths).toEqual([0.25 * 0.2, 0.5 * 0.2, 0.75 * 0.2, 0.2]);
    for (const { terms } of steers) {
      expect(terms).toEqual([
        expect.objectContaining({
          term: 'merge_simulation',
          parameters: expect.objectContaining({ form: 'in_place', every: 1 }),
        }),
      ]);
    }
  });

  it('leaves its whole cost to the terms that evaluate more, and the others as often as asked for', async () => {
    const both = { enabled: true, terms: ['scale_jitter', 'sharpness', 'proximal'] };
    const [first] = await controlled({ steering: { scale_jitter: { every: 2 }, controller: both } }, 0.01);
    expect(first!.terms.map(({ term, parameters }) => [term, parameters.every])).toEqual([
      ['scale_jitter', 2],
      ['sharpness', 3],
      ['proximal', undefined],
    ]);
  });

  it.each([
    { terms: ['scale_jitter', 'sharpness'], cost: 3 * 0.7, wanted: [1, 6] },
    { terms: ['scale_jitter'], cost: 0.7, wanted: [2] },
  ])(
    'lets $terms act on every $wanted th step where they are measured to cost twice the budget',
    async (row) => {
      const { terms, cost, wanted } = row;
      const steers = await controlled({ steering: { controller: { enabled: true, terms } } }, 0.01, 60, cost);
      const last = steers.at(-1)!;
      expect(last.terms.map(({ parameters }) => parameters.every)).toEqual(wanted);
      const told = steers.filter(({ reason }) => reason.includes('the terms cost 70 % of step time'));
      expect(told).toHaveLength(1);
    },
  );

  it('is off where terms cost too much that can not act more rarely, and does not say that they would', async () => {
    const terms = ['alignment'];
    const steers = await controlled({ steering: { controller: { enabled: true, terms } } }, 0.01, 60, 0.7);
    expect(steers.at(-1)!.terms).toEqual([]);
    expect(steers.at(-1)!.reason).toBe(
      'goes back to none: the terms cost 70 % of step time, above their budget of 35 %, and none of them can act more rarely; stays off',
    );
    expect(steers.some(({ reason }) => reason.includes('times'))).toBe(false);
  });

  it('is off where the run shows that no term acts', async () => {
    const guard = guardOf(enabled);
    const all = firstValueFrom(guard.events.pipe(toArray()));
    for (const step of decades(10, 400)) {
      const { cost, ...rest } = observed(step, 0.8);
      const { steering: _, ...silent } = cost;
      guard.observe({ ...rest, cost: silent });
      await Promise.resolve();
    }
    await guard.close('done');
    const last = of(await all, 'steer').at(-1)!;
    expect(last.terms).toEqual([]);
    expect(last.reason).toMatch(
      /^goes back to none: no term acts: none has taken any time since step 110; .*; stays off$/,
    );
  });

  it('says at the end what it was waiting for where it has never steered', async () => {
    const guard = guardOf(enabled);
    const all = firstValueFrom(guard.events.pipe(toArray()));
    await settled(guard, [10, 20]);
    await guard.close('done');
    const events = await all;
    expect(events.at(-1)!.event).toBe('end');
    expect(of(events, 'steer')).toEqual([
      expect.objectContaining({
        terms: [],
        source: 'controller',
        reason:
          'the controller has not steered: it waits for 6 measurements, of which there were 0 by merge probe, 2 by self-probe, 0 by prediction',
      }),
    ]);
  });

  it.each([
    [
      'too few steps',
      enabled,
      decades(10, 60),
      'it waits for measurements over 100 steps, and those of the self-probe were over 50',
    ],
    [
      'a target that is reached',
      { steering: { controller: { ...controller, target: 0.7 } } },
      decades(10, 200),
      'without it the self-probe was 80.0 %, the target being 70.0 % already',
    ],
  ])('says so of %s', async (_, options, steps, why) => {
    const guard = guardOf(options);
    const all = firstValueFrom(guard.events.pipe(toArray()));
    await settled(guard, steps);
    await guard.close('done');
    expect(of(await all, 'steer').map(({ reason }) => reason)).toEqual([
      `the controller has not steered: ${why}`,
    ]);
  });

  it('says nothing of it where the run has failed, or an order by hand is in force', async () => {
    const ends = [(guard: Guard) => guard.close('failed'), (guard: Guard) => guard.close('done')];
    const reasons = await Promise.all(
      ends.map(async (end, i) => {
        const guard = guardOf(enabled);
        const all = firstValueFrom(guard.events.pipe(toArray()));
        if (i === 1) {
          guard.steer!({ terms: [], reason: 'by hand' });
        }
        await settled(guard, [10]);
        await end(guard);
        return of(await all, 'steer').map(({ reason }) => reason);
      }),
    );
    expect(reasons).toEqual([[], ['by hand']]);
  });

  it('is refused terms that this run can not have, or that cost too much', () => {
    const create = (controller: object, references = setup.references) =>
      createGuard(
        { ...setup, references },
        resolveConfig({ steering: { controller: { enabled: true, ...controller } } }),
        null,
      );
    expect(() => create({ terms: ['subspace'] }, [])).toThrow(MergeguardError);
    expect(() => create({ terms: ['subspace'] }, [])).toThrow(
      /^subspace needs references, and this run has none; .*sharpness.*hold.* work without$/,
    );
    expect(() => create({ terms: ['sharpness'], costBudget: 0.001 })).toThrow(
      /^steering.controller: sharpness costs 0\.016 of a step even on every 64th, above the 0\.0010/,
    );
  });
});

describe('what a hook can not follow', () => {
  const unmet = { functional: 'functional needs activations, which this run has not' };
  const create = (config: GuardConfigInput) => createGuard({ ...setup, unmet }, resolveConfig(config), null);

  it('is refused as an order, the others are not', () => {
    const guard = create({});
    const order = (term: string) => guard.steer!({ terms: [{ term, strength: 0.1 }] });
    expect(() => order('functional')).toThrow(new MergeguardError(unmet.functional));
    expect(order('hold').terms).toHaveLength(1);
  });

  it('is refused to the controller', () => {
    const controller = { enabled: true, terms: ['functional'], costBudget: 1 };
    expect(() => create({ steering: { controller } })).toThrow(new MergeguardError(unmet.functional));
  });

  it('is refused to the configuration, all of it at once', () => {
    expect(() => create({ steering: { functional: { strength: 0.1 } } })).toThrow(
      new MergeguardError(`steering.functional.strength is 0.1: ${unmet.functional}`),
    );
    const steering = { functional: { strength: 0.1 }, subspace: { strength: 0.2 }, hold: { strength: 0.1 } };
    expect(() => createGuard({ ...setup, references: [], unmet }, resolveConfig({ steering }), null)).toThrow(
      /^the run can not be steered like this:\n.*steering\.subspace.*\n.*steering\.functional[^\n]*$/,
    );
  });
});

describe('an order given by hand', () => {
  const half = { terms: [{ term: 'scale_jitter', strength: 0.5 }] };

  it('is in the stream at once, whole, with the defaults of what it leaves out', () => {
    const guard = guardOf();
    const steer = guard.steer!(half);
    expect(steer).toMatchObject({ step: 0, lifetimeSteps: 500, source: 'manual', reason: 'by hand' });
    expect(steer.terms).toEqual([
      {
        term: 'scale_jitter',
        strength: 0.5,
        parameters: expect.objectContaining({ low: 0.5, high: 1.2, every: 1, form: 'in_place' }),
      },
    ]);
  });

  it('gives the configured strengths back when its lifetime ends', async () => {
    const guard = guardOf({ steering: { proximal: { strength: 0.01 } } });
    const all = firstValueFrom(guard.events.pipe(toArray()));
    await settled(guard, [10]);
    guard.steer!({ ...half, lifetimeSteps: 35, reason: 'to see' });
    await settled(guard, decades(20, 80));
    await guard.close('done');
    const steers = of(await all, 'steer');
    expect(steers.map(({ step, source, terms }) => [step, source, terms.map(({ term }) => term)])).toEqual([
      [0, 'config', ['proximal']],
      [10, 'manual', ['scale_jitter']],
      // the hook may have begun as late as the tick of step 20
      [60, 'config', ['proximal']],
    ]);
    expect(steers[2]).toMatchObject({
      lifetimeSteps: null,
      reason:
        'the order given by hand after step 10 has ended, its 35 steps are over; the strengths of the configuration are back',
    });
  });

  it('lives as long again where another follows', async () => {
    const guard = guardOf({ steering: { proximal: { strength: 0.01 } } });
    const all = firstValueFrom(guard.events.pipe(toArray()));
    guard.steer!({ ...half, lifetimeSteps: 30 });
    await settled(guard, [10, 20]);
    guard.steer!({ ...half, lifetimeSteps: 30 });
    await settled(guard, decades(30, 80));
    await guard.close('done');
    const steers = of(await all, 'steer').map(({ step, source }) => [step, source]);
    expect(steers).toEqual([
      [0, 'config'],
      [0, 'manual'],
      [20, 'manual'],
      [60, 'config'],
    ]);
  });

  it('overrides the controller, which goes on with a plain phase', async () => {
    const guard = guardOf({ steering: { controller: { enabled: true, terms: ['sharpness'] } } });
    const all = firstValueFrom(guard.events.pipe(toArray()));
    await settled(guard, decades(10, 120));
    guard.steer!({ terms: [], lifetimeSteps: 100 });
    await settled(guard, decades(130, 290));
    await guard.close('done');
    const steers = of(await all, 'steer').map(({ step, source, terms }) => [
      step,
      source,
      terms[0]?.strength ?? 0,
    ]);
    expect(steers).toEqual([
      [110, 'controller', 0.25],
      [120, 'controller', 0.5],
      [120, 'manual', 0],
      [230, 'controller', 0],
    ]);
  });

  it('is refused with everything that is wrong in it, and what is in force stays', () => {
    const guard = guardOf();
    const order = (...terms: { term: string; strength: number; parameters?: Record<string, unknown> }[]) =>
      guard.steer!({ terms });
    expect(() => order({ term: 'sharpnes', strength: 1 })).toThrow(
      /unknown steering term "sharpnes"; did you mean sharpness\? Known are merge_simulation/,
    );
    expect(() => order({ term: 'sharpness', strength: 2, parameters: { radios: 1 } })).toThrow(
      MergeguardError,
    );
    expect(() => order({ term: 'sharpness', strength: 2 }, { term: 'magic', strength: 1 })).toThrow(
      /^the order is wrong:[\s\S]*sharpness.strength is 2 [\s\S]*unknown steering term "magic"/,
    );
    expect(() => order({ term: 'sharpness', strength: 1 }, { term: 'sharpness', strength: 0.5 })).toThrow(
      'given twice',
    );
    expect(() => order({ term: 'sharpness', strength: 1, parameters: { strength: 0.5 } })).toThrow(
      'sharpness has strength among its parameters (0.5); give it beside them only',
    );
    const bare = createGuard({ ...setup, references: [] }, resolveConfig(), null);
    expect(() => bare.steer!({ terms: [{ term: 'alignment', strength: 1 }] })).toThrow(
      'alignment needs references, and this run has none;',
    );
    expect(() => bare.steer!({ terms: [{ term: 'sharpness', strength: 1 }] })).not.toThrow();
  });
});

describe('merge probes as rounds', () => {
  const probe = (reference: string, step: number, accuracy: number): ProbeEvent => ({
    event: 'probe',
    run: 'run-1',
    time: '2026-01-01T00:00:00.000Z',
    step,
    kind: 'merge',
    method: 'weight_avg',
    reference,
    accuracy,
    normalised: null,
    standardError: 0.02,
    loss: 1,
    samples: 100,
  });

  it('become the mean over all pairs, once a round', () => {
    const rounds = new MergeRounds();
    const given = [
      probe('a', 10, 0.9),
      probe('b', 20, 0.7),
      probe('a', 30, 0.92),
      probe('b', 40, 0.74),
      // b fails
      probe('a', 50, 0.8),
      probe('a', 60, 0.9),
    ];
    expect(given.map((each) => rounds.add(each)?.value ?? null)).toEqual([
      null,
      null,
      expect.closeTo(0.8, 10),
      expect.closeTo(0.83, 10),
      null,
      expect.closeTo(0.77, 10),
    ]);
  });

  it('say since when all of it was measured, and leave a pair out that was missed twice', () => {
    const rounds = new MergeRounds();
    const given = [
      probe('a', 10, 0.9),
      probe('b', 20, 0.7),
      probe('a', 30, 0.8),
      probe('b', 40, 0.6),
      // b is not probed any more
      ...[50, 60, 70, 80].map((step) => probe('a', step, 0.8)),
    ];
    const found = given.map((each) => rounds.add(each)).filter((round) => round !== null);
    expect(found.map(({ since, step, value }) => [since, step, value])).toEqual([
      [10, 20, expect.closeTo(0.8, 10)],
      [30, 40, expect.closeTo(0.7, 10)],
      [40, 50, expect.closeTo(0.7, 10)],
      [60, 60, expect.closeTo(0.8, 10)],
      [70, 70, expect.closeTo(0.8, 10)],
    ]);
  });

  it('are waited for from the first of them on where the self-probe is the measure of the terms', async () => {
    const raises = async (terms: string[], probed: boolean) => {
      const guard = guardOf({ steering: { controller: { enabled: true, terms } } });
      const all = firstValueFrom(guard.events.pipe(toArray()));
      if (probed) {
        guard.publish(probe('mnist', 5, 0.7));
      }
      await settled(guard, decades(10, 400));
      await guard.close('done');
      return of(await all, 'steer').some(({ terms }) => terms.length > 0);
    };
    expect(await raises(['scale_jitter'], true)).toBe(false);
    expect(await raises(['scale_jitter'], false)).toBe(true);
    expect(await raises(['sharpness'], true)).toBe(true);
  });

  it('are counted with the observation after them, whether the one before is worked on yet or not', async () => {
    const decided = async (turn: () => Promise<void>) => {
      const guard = guardOf({ steering: { controller: { enabled: true } } });
      const all = firstValueFrom(guard.events.pipe(toArray()));
      for (let i = 1; i <= 20; i++) {
        guard.observe(observation(10 * i));
        await turn();
        guard.publish(probe('mnist', 10 * i, 0.7 + i / 100));
        guard.publish(probe('greek', 10 * i, 0.6 + i / 100));
        await Promise.resolve();
      }
      await guard.close('done');
      return of(await all, 'steer').map(({ step, reason, terms }) => ({ step, reason, terms }));
    };
    const waiting = await decided(async () => {});
    expect(waiting).toEqual(await decided(() => new Promise((resolve) => setImmediate(resolve))));
    expect(waiting[0]?.reason).toContain(
      'after 11 measurements by the merge probe without steering, now 76.0 %',
    );
  });
});
