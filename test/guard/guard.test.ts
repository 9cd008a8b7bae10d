import { readFileSync } from 'node:fs';
import { firstValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { createGuard, EVENT_NAMES, eventSchema, resolveConfig } from '../../src/guard/index.js';
import { MergeguardError } from '../../src/tensors/index.js';
import { fingerprintOf } from './fingerprint-sample.js';
import { guardOf, names, of, run } from './guard-bench.js';
import { liveTauNorm, observation, selfProbe, setup } from './samples.js';

const packageJson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

describe('a run', () => {
  it('begins with hello, ticks, and ends', async () => {
    const events = await run([observation(10), observation(20)]);
    expect(names(events)).toEqual(['hello', 'tick', 'tick', 'end']);
    expect(events[0]).toMatchObject({
      run: 'run-1',
      step: 0,
      version: packageJson.version,
      protocol: 4,
      backend: 'cpu',
      references: setup.references,
      methods: [],
      fingerprint: null,
      coverage: setup.coverage,
      config: resolveConfig(),
    });
    expect(events.at(-1)).toMatchObject({ step: 20, status: 'done', summary: {} });
  });

  it('is not read by who speaks another protocol, which the error says', async () => {
    const [hello] = await run([]);
    const { error } = eventSchema.safeParse({ ...hello, protocol: 1 });
    expect(error?.issues[0]?.message).toContain('the guard speaks protocol 1, here it is 4;');
  });

  it('has a name for every event', () => {
    expect(EVENT_NAMES).toEqual(eventSchema.options.map((option) => option.shape.event.value));
  });

  it('steers right after hello with the strengths of the configuration', async () => {
    const events = await run([], { steering: { scale_jitter: { strength: 0.5, low: 0.3 } } });
    expect(names(events)).toEqual(['hello', 'steer', 'end']);
    expect(events[1]).toMatchObject({
      step: 0,
      terms: [
        {
          term: 'scale_jitter',
          strength: 0.5,
          parameters: { low: 0.3, high: 1.2, every: 1, form: 'in_place' },
        },
      ],
      lifetimeSteps: null,
      reason: 'fixed strengths from the configuration',
    });
  });

  it('passes on what a hook or a program publishes', async () => {
    const guard = guardOf();
    const all = firstValueFrom(guard.events.pipe(toArray()));
    guard.publish({
      event: 'progress',
      run: 'run-1',
      time: '2026-01-01T00:00:00.000Z',
      step: 7,
      phase: 'train',
      done: 7,
      total: 9,
    });
    await guard.close('detached', { steps: 7 }, 'the loop went away');
    const events = await all;
    expect(names(events)).toEqual(['hello', 'progress', 'end']);
    expect(events[2]).toMatchObject({
      step: 7,
      status: 'detached',
      summary: { steps: 7 },
      reason: 'the loop went away',
    });
  });
});

describe('a tick', () => {
  it('has every metric of every reference, and the live norms', async () => {
    const [tick] = of(await run([observation(10)]), 'tick');
    expect(tick!.pairs.map(({ reference }) => reference)).toEqual(['mnist', 'greek']);
    expect(tick!.pairs[0]!.metrics).toMatchObject({
      task_vector_dot_product: 2,
      encoder_gradient_cosine_similarity: 1,
    });
    expect(tick!.pairs[0]!.scores).toEqual([]);
    expect(tick!.live).toEqual({ tauNorm: Math.sqrt(2), gradientNorm: Math.sqrt(2) });
    expect(tick).toMatchObject({ time: '2026-01-01T00:00:10.000Z', step: 10, selfProbe: null });
  });

  it('has null with a reason where a metric is not known', async () => {
    const withoutGradient = observation(10, (made) => {
      made.gradient = null;
    });
    const [tick] = of(await run([withoutGradient]), 'tick');
    const { metrics, reasons } = tick!.pairs[0]!;
    expect(metrics.encoder_gradient_cosine_similarity).toBeNull();
    expect(reasons.encoder_gradient_cosine_similarity).toContain('gradient');
    for (const [name, value] of Object.entries(metrics)) {
      expect(name in reasons).toBe(value === null);
    }
  });

  it('says how old a slow metric is, and nothing of those of this step or without a value', async () => {
    const measured = observation(30, (made) => {
      made.absent = { activation: 'off' };
      made.measuredAt = { bottom: 18, spectra: 30, activation: 4, inputGradient: 25 };
    });
    const [tick] = of(await run([measured, observation(40)]), 'tick');
    expect(tick!.ages).toEqual({
      right_subspace_overlap_bottom_k: 12,
      interaction_matrix_overlap_bottom_k: 12,
      input_gradient_cosine_similarity: 5,
      input_gradient_l2_distance: 5,
      input_gradient_dot_product: 5,
    });
  });

  it('says since when a pair that was left out is of, and goes by the lengths of then', async () => {
    const compared = (live: number, measuredAt: (number | null)[]) =>
      observation(40, (made) => {
        liveTauNorm(made, 0, 100);
        liveTauNorm(made, 1, 100);
        made.turns = { measuredAt, live: new Float32Array(2 * 2 * 2).fill(live) };
      });
    const [first, second] = of(await run([compared(1, [40, 30]), compared(4, [null, 40])]), 'tick');
    expect(first!.pairs.map(({ measuredAt }) => measuredAt)).toEqual([undefined, 30]);
    expect(first!.pairs[1]!.metrics.task_vector_cosine_similarity).toBe(1);
    expect(second!.pairs.map(({ measuredAt }) => measuredAt)).toEqual([null, undefined]);
    expect(second!.pairs[1]!.metrics.task_vector_magnitude_ratio).toBe(0.5);
    const { metrics, reasons } = second!.pairs[0]!;
    for (const name of [
      'task_vector_l2_distance',
      'layerwise_effective_rank',
      'encoder_gradient_dot_product',
    ]) {
      expect(metrics[name]).toBeNull();
      expect(reasons[name]).toMatch(/mnist takes turns .* not been compared yet/);
    }
    expect(metrics.subspace_overlap).toBe(1);
  });

  it('passes the self-probe on', async () => {
    const probed = observation(10, (made) => {
      made.selfProbe = selfProbe;
    });
    expect(of(await run([probed]), 'tick')[0]!.selfProbe).toEqual(selfProbe);
  });

  it('turns NaN into null, and an alert says where it was', async () => {
    const broken = observation(10, (made) => {
      liveTauNorm(made, 0, Number.NaN);
      made.selfProbe = { ...selfProbe, loss: Number.NaN };
    });
    const cost = { ...broken.cost, overhead: Number.NaN };
    const events = await run([{ ...broken, cost }]);
    const [tick] = of(events, 'tick');
    expect(tick).toMatchObject({ live: { tauNorm: null }, selfProbe: null, cost: { overhead: null } });
    expect(of(events, 'alert').map(({ title }) => title)).toEqual([
      'NaN or Inf in the live weights of a.weight; the loss of the self-probe',
    ]);
  });
});

describe('scores', () => {
  const probed = (step: number) =>
    observation(step, (made) => {
      made.selfProbe = selfProbe;
    });

  it('are there for every reference and method, raw where the own accuracy is known', async () => {
    const events = await run([observation(10), probed(20)], {}, fingerprintOf(['ties', 'weight_avg']));
    expect(events[0]).toMatchObject({ fingerprint: 'sample', methods: ['ties', 'weight_avg'] });
    const [before, after] = of(events, 'tick');
    for (const { reference, scores } of after!.pairs) {
      expect(scores.map(({ method }) => method)).toEqual(['ties', 'weight_avg']);
      for (const { value, raw, basis } of scores) {
        expect(value).toBeCloseTo(reference === 'mnist' ? 0.96 : 0.94, 10);
        expect(raw).toBeCloseTo(value! * 0.9, 10);
        expect(basis).toContain('metrics');
      }
    }
    expect(before!.pairs[0]!.scores.map(({ raw }) => raw)).toEqual([null, null]);
  });

  it('are made for the chosen methods only', async () => {
    const fingerprint = fingerprintOf(['ties', 'weight_avg']);
    const events = await run([observation(10)], { methods: ['weight_avg'] }, fingerprint);
    expect(events[0]).toMatchObject({ methods: ['weight_avg'] });
    expect(of(events, 'tick')[0]!.pairs[0]!.scores.map(({ method }) => method)).toEqual(['weight_avg']);
  });

  it('raise alerts, which come after their tick', async () => {
    const options = { alerts: { accuracy: { below: 0.855, clearAbove: 0.86 } } };
    const events = await run([probed(10)], options, fingerprintOf(['ties']));
    expect(names(events)).toEqual(['hello', 'tick', 'alert', 'end']);
    expect(events[2]).toMatchObject({
      step: 10,
      reference: 'greek',
      title: 'merging with greek by ties is predicted at 84.6 % raw (alert below 85.5 %)',
    });
  });

  it('are refused before the first step where the fingerprint has no such method', () => {
    const start = () => guardOf({ methods: ['dare', 'ties', 'tsv'] }, fingerprintOf(['ties']));
    expect(start).toThrow(MergeguardError);
    expect(start).toThrow(/dare.*\n.*tsv/);
  });

  it('say in hello what the fingerprint can not use, and are made by what it can', async () => {
    const fingerprint = fingerprintOf(['ties']);
    const { variants } = fingerprint.methods.ties!;
    const richer = {
      ...fingerprintOf(['ties'], 'activation_l2_distance').methods.ties!.variants[0]!,
      name: 'all',
    };
    variants.unshift(richer);
    const events = await run([observation(10)], {}, fingerprint);
    expect(of(events, 'hello')[0]!.fingerprintLimits).toEqual([
      'ties: predicted by the variant "weights", since the stream does not offer activation_l2_distance',
    ]);
    const [score] = of(events, 'tick')[0]!.pairs[0]!.scores;
    expect(score!.value).toBeCloseTo(0.96, 10);
    expect(score!.reason).toContain('predicted without activation_l2_distance');
  });

  it('are made by the variant with slow metrics as soon as there are any, however old', async () => {
    const fingerprint = fingerprintOf(['ties']);
    const slow = fingerprintOf(['ties'], 'right_subspace_overlap_bottom_k').methods.ties!.variants[0]!;
    fingerprint.methods.ties!.variants.unshift({ ...slow, name: 'weights+slow', intercept: 0.7 });
    const measured = observation(20, (made) => {
      made.absent = {};
      made.measuredAt = { bottom: 5, spectra: 5 };
    });
    const whole = { ...setup, unmeasured: {} };
    const guard = createGuard(whole, resolveConfig(), fingerprint);
    const all = firstValueFrom(guard.events.pipe(toArray()));
    for (const each of [observation(10), measured]) {
      guard.observe(each);
      await Promise.resolve();
    }
    await guard.close('done');
    const events = await all;
    expect(of(events, 'hello')[0]!.fingerprintLimits).toEqual([]);
    const [before, after] = of(events, 'tick').map(({ pairs }) => pairs[0]!.scores[0]!);
    expect(before!.value).toBeCloseTo(0.96, 10);
    expect(before!.reason).toContain('predicted without right_subspace_overlap_bottom_k');
    expect(after!.value).toBeCloseTo(0.76, 10);
    expect(after!.reason).toBeUndefined();
  });

  it('are given for all references at once, where the fingerprint was fitted on such merges', async () => {
    const fingerprint = fingerprintOf(['ties', 'weight_avg']);
    fingerprint.methods.ties!.groups = {
      rows: 20,
      growth: 0.5,
      mae: 0.02,
      intervals: [{ level: 0.8, halfWidth: 0.03 }],
    };
    const [tick] = of(await run([observation(10)], {}, fingerprint), 'tick');
    const [ties, average] = tick!.pool;
    expect(ties).toMatchObject({ method: 'ties', references: ['mnist', 'greek'], level: 0.8 });
    expect(1 - (ties!.value as number)).toBeCloseTo((1 - (ties!.pairs as number)) * Math.SQRT2, 10);
    expect(average).toMatchObject({ method: 'weight_avg', value: null, reason: expect.any(String) });
  });

  it('are refused before the first step where a metric is not streamed', () => {
    const start = () => guardOf({}, fingerprintOf(['ties'], 'activation_l2_distance'));
    expect(start).toThrow(MergeguardError);
    expect(start).toThrow('activation_l2_distance');
  });

  it('are null with the reason, and an alert, where one fails; the others stand', async () => {
    const fingerprint = fingerprintOf(['ties', 'weight_avg']);
    const guard = guardOf({}, fingerprint);
    const all = firstValueFrom(guard.events.pipe(toArray()));
    fingerprint.methods.ties = { rows: 0, selfProbe: null, groups: null, variants: null as never };
    guard.observe(observation(10));
    await guard.close('done');
    const events = await all;
    const { scores } = of(events, 'tick')[0]!.pairs[0]!;
    expect(scores[0]).toMatchObject({ method: 'ties', value: null, inDomain: false });
    expect(scores[0]!.reason).toContain('score by ties: ');
    expect(scores[1]!.value).toBeCloseTo(0.96, 10);
    expect(of(events, 'alert').map(({ rule, reference }) => `${rule} ${reference}`)).toEqual([
      'internal mnist',
      'internal greek',
    ]);
  });
});
