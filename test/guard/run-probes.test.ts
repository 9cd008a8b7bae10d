import { firstValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { GuardEvent, ProbeEvent } from '../../src/guard/index.js';
import { RunProbes } from '../../src/guard/run-probes.js';
import { fingerprintOf } from './fingerprint-sample.js';
import { guardOf, of } from './guard-bench.js';
import { observation, setup } from './samples.js';

function probe(step: number, normalised: number | null, change: Partial<ProbeEvent> = {}): ProbeEvent {
  return {
    event: 'probe',
    run: setup.run,
    time: '2026-01-01T00:00:00.000Z',
    step,
    kind: 'merge',
    method: 'ties',
    reference: 'mnist',
    accuracy: 0.8,
    normalised,
    standardError: 0.02,
    loss: 0.6,
    samples: 256,
    ...change,
  };
}

/** The scores of the last tick after observations (numbers) and probes in that order, by `method reference`. */
async function lastScores(parts: readonly (number | ProbeEvent)[]) {
  const guard = guardOf({}, fingerprintOf(['ties', 'weight_avg']));
  const all = firstValueFrom(guard.events.pipe(toArray()));
  for (const part of parts) {
    if (typeof part === 'number') {
      guard.observe(observation(part));
    } else {
      guard.publish(part);
    }
    await Promise.resolve();
  }
  await guard.close('done');
  const events: GuardEvent[] = await all;
  const { pairs } = of(events, 'tick').at(-1)!;
  return Object.fromEntries(
    pairs.flatMap(({ reference, scores }) => scores.map((score) => [`${score.method} ${reference}`, score])),
  );
}

describe('merge probes of a run', () => {
  it('shift the scores of their method, most of all that of their own pair, and tighten the intervals', async () => {
    const before = await lastScores([10, 20]);
    const after = await lastScores([10, probe(15, 0.86), 20]);
    const shift = (key: string) => (after[key]!.value as number) - (before[key]!.value as number);
    expect(before['ties mnist']!.value).toBeGreaterThan(0.9);
    expect(shift('ties mnist')).toBeLessThan(-0.05);
    expect(shift('ties greek')).toBeLessThan(0);
    expect(shift('ties greek')).toBeGreaterThan(shift('ties mnist'));
    expect(shift('weight_avg mnist')).toBe(0);
    const width = (score: { low: number | null; high: number | null }) =>
      (score.high as number) - (score.low as number);
    expect(width(after['ties mnist']!)).toBeLessThan(width(before['ties mnist']!));
    expect(width(after['ties greek']!)).toBeLessThan(width(before['ties greek']!));
    expect(after['ties mnist']!.basis).toContain('merge-probe');
    expect(before['ties mnist']!.basis).not.toContain('merge-probe');
    const part = after['ties mnist']!.contributions.find(({ feature }) => feature === 'merge probes');
    expect(part?.points).toBeCloseTo(100 * shift('ties mnist'), 9);
  });

  it('wait for the first prediction of their pair', async () => {
    const early = await lastScores([probe(5, 0.86), 10]);
    const late = await lastScores([10, probe(15, 0.86), 20]);
    expect(early['ties mnist']!.value).toBeCloseTo(late['ties mnist']!.value as number, 12);
  });

  it('are held against the prediction of the step at which their weights were taken', async () => {
    const differences = [10, 20, 30].map((step) => {
      const probes = new RunProbes({ methods: ['ties'], references: ['mnist'] });
      probes.predicted('ties', 'mnist', { step: 10, value: 0.9 });
      probes.observe(probe(step - 1, 0.8));
      const before = probes.of('ties')[0]!.difference;
      const changed = [20, 30].map((at) =>
        probes.predicted('ties', 'mnist', { step: at, value: 0.9 + at / 1000 }),
      );
      return [before, probes.of('ties')[0]!.difference, ...changed];
    });
    expect(
      differences.map((row) => row.map((value) => (typeof value === 'number' ? value.toFixed(3) : value))),
    ).toEqual([
      ['-0.100', '-0.100', false, false],
      ['-0.100', '-0.120', true, false],
      ['-0.100', '-0.130', true, true],
    ]);
  });

  it('stay held against it, however many predictions come after', () => {
    const probes = new RunProbes({ methods: ['ties'], references: ['mnist'] });
    probes.predicted('ties', 'mnist', { step: 10, value: 0.9 });
    probes.observe(probe(10, 0.8));
    for (let step = 20; step < 20_000; step += 10) {
      probes.predicted('ties', 'mnist', { step, value: 0.5 });
    }
    expect(probes.of('ties')[0]!.difference).toBeCloseTo(-0.1, 12);
  });

  it('rest on the error of the normalised accuracy where it is known, and on no less than one more sample lost and won', () => {
    const task = (samples: number) => ({
      accuracy: 0.8,
      loss: 0.6,
      ownAccuracy: 0.8,
      ownLoss: 0.6,
      samples,
    });
    const variance = (change: Partial<ProbeEvent>) => {
      const probes = new RunProbes({ methods: ['ties'], references: ['mnist'] });
      probes.predicted('ties', 'mnist', { step: 10, value: 0.9 });
      probes.observe(probe(10, 1, change));
      return probes.of('ties')[0]!.samplingVariance;
    };
    const plain = variance({});
    const tasks = { live: task(128), reference: task(128) };
    const paired = variance({ normalisedStandardError: 0.01, tasks });
    expect(paired).toBeLessThan(plain);
    expect(paired).toBeGreaterThan(0.01 ** 2);
    expect(variance({ normalisedStandardError: 0, tasks })).toBeCloseTo(1 / (130 * 0.8) ** 2, 12);
    const few = { live: task(4), reference: task(4) };
    expect(variance({ normalisedStandardError: 0, tasks: few })).toBeGreaterThan(0.15 ** 2);
    expect(variance({ normalisedStandardError: null, tasks })).toBe(plain);
  });

  it('by a method that is not predicted are shown, and no trouble', async () => {
    const guard = guardOf({}, fingerprintOf(['ties']));
    const all = firstValueFrom(guard.events.pipe(toArray()));
    guard.observe(observation(10));
    await Promise.resolve();
    guard.publish(probe(15, 0.8, { method: 'weight_avg' }));
    guard.observe(observation(20));
    await guard.close('done');
    const events = await all;
    expect(of(events, 'probe')).toHaveLength(1);
    expect(of(events, 'alert').filter(({ rule }) => rule === 'internal')).toEqual([]);
  });

  it('count once a pair, the last one', async () => {
    const one = await lastScores([10, probe(15, 0.86), 20]);
    const two = await lastScores([10, probe(12, 0.5), probe(15, 0.86), 20]);
    expect(two['ties mnist']!.value).toBe(one['ties mnist']!.value);
  });

  it('are held against the prediction without them, not against their own correction', async () => {
    const once = await lastScores([10, probe(15, 0.86), 20]);
    const again = await lastScores([10, probe(15, 0.86), 20, probe(25, 0.86), 30]);
    expect(again['ties mnist']!.value).toBeCloseTo(once['ties mnist']!.value as number, 12);
  });

  it('move little when they rest on few samples, whatever error they claim', async () => {
    const many = await lastScores([10, probe(15, 0.86, { samples: 4096, standardError: 0 }), 20]);
    const few = await lastScores([10, probe(15, 0.86, { samples: 4, standardError: 0 }), 20]);
    expect(Math.abs(0.96 - (few['ties mnist']!.value as number))).toBeLessThan(
      Math.abs(0.96 - (many['ties mnist']!.value as number)),
    );
  });

  it('that are no numbers, or of a pair that is not scored, are not used, and an alert says so', async () => {
    const sound = await lastScores([10, 20]);
    for (const bad of [
      probe(15, Number.NaN),
      probe(15, 0.8, { samples: 0 }),
      probe(15, 0.8, { reference: 'nobody' }),
    ]) {
      const guard = guardOf({}, fingerprintOf(['ties', 'weight_avg']));
      const all = firstValueFrom(guard.events.pipe(toArray()));
      guard.observe(observation(10));
      await Promise.resolve();
      guard.publish(bad);
      guard.observe(observation(20));
      await guard.close('done');
      const events = await all;
      expect(of(events, 'alert')[0]).toMatchObject({
        rule: 'internal',
        state: 'raised',
        title: expect.stringContaining('merge probe'),
      });
      const [score] = of(events, 'tick').at(-1)!.pairs[0]!.scores;
      expect(score!.value).toBe(sound['ties mnist']!.value);
    }
  });

  it('without a normalised accuracy are shown and change nothing', async () => {
    const before = await lastScores([10, 20]);
    const after = await lastScores([10, probe(15, null), 20]);
    expect(after).toEqual(before);
  });
});
