import { firstValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { GuardEvent, Observation } from '../../src/guard/index.js';
import { guardOf, names, of, run } from './guard-bench.js';
import { observation } from './samples.js';

describe('back-pressure', () => {
  it('does no work in the stack of the training', async () => {
    const guard = guardOf();
    const seen: GuardEvent[] = [];
    guard.events.subscribe((event) => seen.push(event));
    guard.observe(observation(10));
    expect(names(seen)).toEqual(['hello']);
    await Promise.resolve();
    expect(names(seen)).toEqual(['hello', 'tick']);
  });

  it('replaces a waiting observation, and counts it with the steps that it had skipped', async () => {
    const guard = guardOf();
    const all = firstValueFrom(guard.events.pipe(toArray()));
    for (const step of [10, 20, 30]) {
      guard.observe({ ...observation(step), skipped: { nonFinite: 1, perturbed: 2 } });
    }
    await Promise.resolve();
    guard.observe(observation(40));
    await guard.close('done');
    const ticks = of(await all, 'tick');
    expect(ticks.map(({ step, dropped }) => [step, dropped])).toEqual([
      [30, { ticks: 2, nonFinite: 3, perturbed: 6 }],
      [40, { ticks: 0, nonFinite: 0, perturbed: 0 }],
    ]);
  });

  it('works on what waits before the end, and takes nothing after it', async () => {
    const guard = guardOf();
    const all = firstValueFrom(guard.events.pipe(toArray()));
    guard.observe(observation(10));
    const closed = guard.close('done');
    guard.observe(observation(20));
    const again = guard.close('failed');
    await Promise.all([closed, again]);
    guard.observe(observation(30));
    const events = await all;
    expect(names(events)).toEqual(['hello', 'tick', 'end']);
    expect(events[2]).toMatchObject({ step: 10, status: 'done' });
  });

  it('closes when an end is published', async () => {
    const guard = guardOf();
    const all = firstValueFrom(guard.events.pipe(toArray()));
    guard.observe(observation(10));
    const at = { run: 'run-1', time: '2026-01-01T00:00:00.000Z', step: 10 };
    guard.publish({ event: 'end', ...at, status: 'failed', reason: 'killed', summary: {} });
    expect((await all).at(-1)).toMatchObject({ event: 'end', status: 'failed', reason: 'killed' });
  });

  it('gives late subscribers hello, the last tick and the last steer', async () => {
    const guard = guardOf({ steering: { subspace: { strength: 0.01 } } });
    for (const step of [10, 20]) {
      guard.observe(observation(step));
      await Promise.resolve();
    }
    const late = firstValueFrom(guard.events.pipe(toArray()));
    guard.observe(observation(30));
    await guard.close('done');
    const seen = (await late).map(({ event, step }) => `${event}@${step}`);
    expect(seen).toEqual(['hello@0', 'tick@20', 'steer@0', 'tick@30', 'end@30']);
  });
});

describe('failing open', () => {
  const broken = (step: number) =>
    observation(step, (made) => {
      made.pair = new Float32Array(3);
    });

  it('tells a failure once as an alert, goes on, and tells when it is over', async () => {
    const events = await run([observation(10), broken(20), broken(30), observation(40)]);
    expect(names(events).filter((name) => name === 'tick')).toHaveLength(4);
    const alerts = of(events, 'alert').filter(({ rule }) => rule === 'internal');
    expect(alerts.map(({ state, step, reference }) => `${state}@${step} ${reference}`)).toEqual([
      'raised@20 mnist',
      'raised@20 greek',
      'cleared@40 mnist',
      'cleared@40 greek',
    ]);
    expect(alerts[0]!.title).toContain('the guard failed for mnist: metrics: ');
    const { metrics, reasons } = of(events, 'tick')[1]!.pairs[0]!;
    expect(metrics.task_vector_dot_product).toBeNull();
    expect(reasons.task_vector_dot_product).toContain('metrics: ');
  });

  it('survives an observation that is none', async () => {
    const guard = guardOf();
    const all = firstValueFrom(guard.events.pipe(toArray()));
    guard.observe(null as unknown as Observation);
    await Promise.resolve();
    guard.observe({ ...observation(10), statistics: null } as unknown as Observation);
    await Promise.resolve();
    guard.observe(observation(20));
    await guard.close('done');
    const events = await all;
    expect(of(events, 'tick').map(({ step }) => step)).toEqual([20]);
    expect(of(events, 'alert').map(({ rule, state }) => `${rule} ${state}`)).toEqual([
      'internal raised',
      'internal cleared',
    ]);
  });
});
