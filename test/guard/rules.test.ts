import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Alerts } from '../../src/guard/alerts.js';
import { resolveConfig } from '../../src/guard/config.js';
import type { AlertEvent, TickEvent } from '../../src/guard/events.js';
import type { PairStatistics } from '../../src/metrics/index.js';
import { only, run, told } from './rule-bench.js';
import { liveTauNorm, score, selfProbe, statistics, tick } from './samples.js';

describe('conflict', () => {
  const ticksOf = (cosines: readonly (number | null)[]) =>
    cosines.map((cosine, i) => tick(i * 10, { metrics: { encoder_gradient_cosine_similarity: cosine } }));

  it.each([
    ['two ticks are not three', [-0.1, -0.1, 0.1, -0.1, -0.1], ''],
    ['three on end are', [-0.1, -0.1, -0.1], 'raised@20'],
    ['an unknown cosine neither counts nor breaks', [-0.1, -0.1, null, -0.1], 'raised@30'],
    ['weak disagreement is no conflict, and breaks the row', [-0.1, -0.1, -0.04, -0.1, -0.1], ''],
    ['cleared at zero, not before', [-0.1, -0.1, -0.1, -0.01, 0.01], 'raised@20 cleared@40'],
  ])('%s', (_, cosines, expected) => {
    expect(told(run(only('conflict', { ticks: 3 }), ticksOf(cosines)))).toBe(expected);
  });

  it.each([
    [
      'an old gradient is no further tick in conflict',
      [0, 0, 10, 20, 30],
      [-0.1, -0.1, -0.1, -0.1, -0.1],
      '',
    ],
    ['nor one that clears', [0, 0, 0, 10, 20], [-0.1, -0.1, -0.1, 0.1, 0.1], 'raised@20'],
    ['a newer one counts, though older than the tick before', [0, 8, 15], [-0.1, -0.1, -0.1], 'raised@20'],
  ])('%s', (_, ages, cosines, expected) => {
    const ticks = ticksOf(cosines).map(
      (each, i): TickEvent => ({
        ...each,
        ages: ages[i]! > 0 ? { encoder_gradient_cosine_similarity: ages[i]! } : {},
      }),
    );
    expect(told(run(only('conflict', { ticks: 3 }), ticks))).toBe(expected);
  });

  it('a tick that has left the reference out neither counts nor breaks; the next one counts, with the same gradient too', () => {
    const cosines = [-0.1, -0.1, -0.1];
    const ticks = cosines.map((cosine, i) =>
      tick(
        i * 10,
        {
          metrics: { encoder_gradient_cosine_similarity: cosine },
          ...(i % 2 === 1 && { measuredAt: i * 10 - 10 }),
        },
        // Taken at step 5.
        i >= 1 ? { ages: { encoder_gradient_cosine_similarity: i * 10 - 5 } } : {},
      ),
    );
    expect(told(run(only('conflict', { ticks: 2 }), ticks))).toBe('raised@20');
  });

  it('names the reference and the cosine', () => {
    const [event] = run(only('conflict', { ticks: 2 }), ticksOf([-0.1, -0.2]));
    expect(event?.title).toBe(
      'training pulls against mnist: gradient cosine -0.200 for 2 ticks (alert below -0.05)',
    );
    expect(event).toMatchObject({ reference: 'mnist', evidence: { ticks: 2, below: -0.05 } });
  });
});

describe('domain', () => {
  const outside = [{ metric: 'stable_rank', value: 9, low: 1, high: 2 }];
  const ticksOf = (inside: readonly (boolean | null)[]) =>
    inside.map((inDomain, i) =>
      tick(i * 10, {
        scores:
          inDomain === null
            ? [score({ value: null, inDomain: false, reason: 'no metrics' })]
            : [
                score({ inDomain, outside: inDomain ? [] : outside }),
                score({ method: 'weight_avg', inDomain, outside: inDomain ? [] : outside }),
              ],
      }),
    );

  it.each([
    ['inside', [true, true, true], ''],
    ['a visit outside', [false, true, false, true], ''],
    ['outside to stay, and back', [false, false, false, true, false, true, true], 'raised@10 cleared@60'],
    ['nothing is known without a prediction', [null, null, null], ''],
  ])('%s', (_, inside, expected) => {
    expect(told(run(only('domain', { ticks: 2, coolDownSteps: 0 }), ticksOf(inside)))).toBe(expected);
  });

  it('is one alert a reference, with the metrics as evidence', () => {
    const events = run(only('domain', { ticks: 1 }), ticksOf([false]));
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ reference: 'mnist', evidence: { metrics: 1, stable_rank: 9 } });
    expect(events[0]?.method).toBeUndefined();
    expect(events[0]?.text).toContain('stable_rank');
  });
});

describe('nonFinite', () => {
  const fresh = () => only('nonFinite', { ticks: 2, coolDownSteps: 0 });

  it('says nothing while everything is finite, whatever was not measured', () => {
    const measured = statistics(0, (made) => {
      made.pair.fill(Number.NaN, 2, 8);
    });
    expect(run(fresh(), [tick(0, {}), tick(10, {})], measured)).toEqual([]);
  });

  it.each<[string, Partial<TickEvent>, (made: PairStatistics) => void, string]>([
    ['weights', {}, (made) => liveTauNorm(made, 1, Number.NaN), 'NaN or Inf in the live weights of a.bias'],
    [
      'gradients',
      { dropped: { ticks: 0, nonFinite: 2, perturbed: 0 } },
      () => {},
      'NaN or Inf in the gradients of 2 steps, which were not folded',
    ],
    [
      'statistics',
      {},
      (made) => made.pair.fill(Number.POSITIVE_INFINITY, 2, 4),
      'NaN or Inf in 2 statistics of the references',
    ],
    [
      'the self-probe',
      {},
      (made) => {
        made.selfProbe = { ...selfProbe, scaledLoss: Number.NaN };
      },
      'NaN or Inf in the loss of the self-probe',
    ],
  ])('finds it in %s', (_, change, measure, title) => {
    const [event] = run(fresh(), [tick(0, {}, change)], statistics(0, measure));
    expect(event).toMatchObject({ state: 'raised', level: 'error', title });
  });

  it('is cleared when no more gradients are skipped', () => {
    const ticks = [0, 2, 1, 0, 0, 1].map((skipped, i) =>
      tick(i * 10, {}, { dropped: { ticks: 0, nonFinite: skipped, perturbed: 0 } }),
    );
    const events = run(fresh(), ticks);
    expect(told(events)).toBe('raised@10 cleared@40 raised@50');
    expect(events.map(({ evidence }) => evidence.steps)).toEqual([2, 0, 1]);
  });

  it('is cleared after ticks that are finite', () => {
    const alerts = fresh();
    const broken = statistics(0, (made) => liveTauNorm(made, 0, Number.NaN));
    expect(told(run(alerts, [tick(0, {}), tick(10, {})], broken))).toBe('raised@0');
    expect(told(run(alerts, [tick(20, {})]))).toBe('');
    expect(told(run(alerts, [tick(30, {})]))).toBe('cleared@30');
  });
});

describe('every rule', () => {
  it('is silent when it is switched off', () => {
    const off = { enabled: false };
    const alerts = { accuracy: off, trend: off, conflict: off, nonFinite: off, domain: off };
    const ticks = [tick(0, { scores: [score({ raw: 0.1, inDomain: false })] })];
    expect(run(new Alerts(resolveConfig({ alerts }).alerts), ticks)).toEqual([]);
  });

  it('raised and cleared alternate per (rule, reference, method), raised first, with the cool-down kept', () => {
    const coolDownSteps = 30;
    const quick = { coolDownSteps, ticks: 1 };
    const config = resolveConfig({
      alerts: {
        accuracy: { coolDownSteps },
        trend: { coolDownSteps, ticks: 3 },
        conflict: quick,
        nonFinite: quick,
        domain: quick,
      },
    });
    const one = fc.record({
      stride: fc.integer({ min: 1, max: 20 }),
      raw: fc.option(fc.double({ min: 0.7, max: 1, noNaN: true })),
      cosine: fc.option(fc.double({ min: -0.2, max: 0.2, noNaN: true })),
      inDomain: fc.boolean(),
      bad: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 60 }), (made) => {
        const alerts = new Alerts(config.alerts);
        let step = 0;
        const last = new Map<string, AlertEvent>();
        for (const { stride, raw, cosine, inDomain, bad } of made) {
          step += stride;
          const scores = ['ties', 'weight_avg'].map((method) => score({ method, value: raw, raw, inDomain }));
          const pair = { scores, metrics: { encoder_gradient_cosine_similarity: cosine } };
          const dropped = { ticks: 0, nonFinite: bad ? 1 : 0, perturbed: 0 };
          for (const event of run(alerts, [tick(step, pair, { dropped })])) {
            const key = JSON.stringify([event.rule, event.reference, event.method]);
            const before = last.get(key);
            expect(event.state).toBe(before?.state === 'raised' ? 'cleared' : 'raised');
            if (before?.state === 'cleared') {
              expect(event.step - before.step).toBeGreaterThanOrEqual(coolDownSteps);
            }
            last.set(key, event);
          }
        }
      }),
      { seed: 2, numRuns: 60 },
    );
  });
});
