import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { theilSen } from '../../src/steering/controller/index.js';
import { only, predicted, run, told } from './rule-bench.js';
import { score, selfProbe, tick } from './samples.js';

describe('accuracy', () => {
  it.each([
    ['stays above', [0.9, 0.86, 0.85], ''],
    ['falls below and comes back', [0.9, 0.84, 0.8, 0.88], 'raised@10 cleared@30'],
    ['is below from the start', [0.5, 0.5], 'raised@0'],
    ['between the thresholds nothing changes', [0.84, 0.86, 0.86, 0.84, 0.87], 'raised@0 cleared@40'],
    ['is not cleared by a tick without a prediction', [0.84, null, 0.84], 'raised@0'],
  ])('%s', (_, values, expected) => {
    expect(told(run(only('accuracy', { coolDownSteps: 0 }), predicted(values)))).toBe(expected);
  });

  it('does not spam when the prediction swings round the threshold', () => {
    const swinging = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? 0.849 : 0.851));
    expect(told(run(only('accuracy'), predicted(swinging)))).toBe('raised@0');
  });

  it('waits for the cool-down when it swings across both thresholds', () => {
    const swinging = Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? 0.8 : 0.9));
    const events = run(only('accuracy', { coolDownSteps: 200 }), predicted(swinging));
    expect(told(events)).toBe('raised@0 cleared@10 raised@220 cleared@230 raised@440 cleared@450');
  });

  it('raises after the cool-down what still holds then', () => {
    const values = [0.8, 0.9, ...Array.from({ length: 20 }, () => 0.8)];
    const events = run(only('accuracy', { coolDownSteps: 50 }), predicted(values));
    expect(told(events)).toBe('raised@0 cleared@10 raised@60');
  });

  it('judges raw accuracy where it is known, whatever the normalised one is', () => {
    const ticks = [tick(0, { scores: [score({ value: 0.95, raw: 0.7 })] })];
    expect(told(run(only('accuracy'), ticks))).toBe('raised@0');
  });

  it('falls back to normalised accuracy', () => {
    const [event] = run(only('accuracy'), predicted([0.8], 'value'));
    expect(event?.evidence).toMatchObject({ normalised: 0.8, below: 0.85 });
    expect(event?.text).toContain('Normalised accuracy');
  });

  it('keeps references and methods apart', () => {
    const pair = (reference: string, ...scores: number[]) => ({
      reference,
      metrics: {},
      reasons: {},
      scores: scores.map((raw, m) => score({ method: m === 0 ? 'ties' : 'weight_avg', raw })),
    });
    const ticks = [
      tick(0, {}, { pairs: [pair('mnist', 0.8, 0.9), pair('greek', 0.9, 0.9)] }),
      tick(10, {}, { pairs: [pair('mnist', 0.8, 0.9), pair('greek', 0.9, 0.8)] }),
    ];
    const events = run(only('accuracy'), ticks);
    expect(events.map(({ reference, method, step }) => [reference, method, step])).toEqual([
      ['mnist', 'ties', 0],
      ['greek', 'weight_avg', 10],
    ]);
  });

  it('is written for a person', () => {
    const ticks = [
      tick(0, { scores: [score({ raw: 0.8124, inDomain: false })] }, { selfProbe }),
      tick(10, { scores: [score({ raw: 0.88 })] }, { selfProbe }),
    ];
    const [raised, cleared] = run(only('accuracy'), ticks);
    expect(raised).toEqual({
      event: 'alert',
      run: 'run-1',
      time: '2026-01-01T00:00:00.000Z',
      step: 0,
      rule: 'accuracy',
      state: 'raised',
      level: 'warning',
      title: 'merging with mnist by ties is predicted at 81.2 % raw (alert below 85 %)',
      text: "Predicted normalised accuracy (the mean of both tasks) times the live model's own accuracy, which is 90.0 %. The live metrics lie outside the domain of the fingerprint: take it as a hint.",
      reference: 'mnist',
      method: 'ties',
      evidence: {
        raw: 0.8124,
        low: (0.85 * 0.8124) / 0.9,
        high: (0.95 * 0.8124) / 0.9,
        below: 0.85,
        clearAbove: 0.87,
      },
    });
    expect(cleared?.title).toBe(
      'merging with mnist by ties is predicted at 88.0 % raw again (cleared at 87 %)',
    );
  });
});

describe('trend', () => {
  const options = { ticks: 5, drop: 0.03, clearDrop: 0.01, coolDownSteps: 0 };

  it.each([
    ['a flat line', [0.9, 0.9, 0.9, 0.9, 0.9, 0.9], ''],
    ['a rise', [0.8, 0.82, 0.84, 0.86, 0.88, 0.9], ''],
    ['a slow fall', [0.9, 0.898, 0.896, 0.894, 0.892, 0.89], ''],
    ['a fall, told as soon as the window is full', [0.9, 0.89, 0.88, 0.87, 0.86], 'raised@40'],
    ['one odd tick', [0.9, 0.9, 0.6, 0.9, 0.9, 0.9, 0.9], ''],
    ['a fall that ends', [0.9, 0.89, 0.88, 0.87, 0.86, 0.86, 0.86, 0.86, 0.86, 0.86], 'raised@40 cleared@70'],
    ['ticks without a prediction are left out', [0.9, null, 0.89, 0.88, null, 0.87, 0.86], 'raised@60'],
  ])('%s', (_, values, expected) => {
    expect(told(run(only('trend', options), predicted(values)))).toBe(expected);
  });

  it('starts afresh when raw accuracy becomes known', () => {
    const ticks = [...predicted([0.99, 0.99, 0.99, 0.99], 'value'), ...predicted([0.9, 0.9, 0.9, 0.9, 0.9])];
    const renumbered = ticks.map((each, i) => ({ ...each, step: i * 10 }));
    expect(run(only('trend', options), renumbered)).toEqual([]);
  });

  it('says how much in how many steps', () => {
    const [event] = run(only('trend', options), predicted([0.9, 0.89, 0.88, 0.87, 0.86]));
    expect(event?.title).toBe(
      'merging with mnist by ties is getting worse: 4.0 % in 40 steps (alert at 3 %)',
    );
    expect(event?.evidence.fall).toBeCloseTo(0.04, 12);
  });

  it('Theil-Sen gives the slope of any line, whatever the spacing, with up to a quarter of the points off', () => {
    const line = fc.record({
      steps: fc.uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: 8, maxLength: 16 }),
      slope: fc.double({ min: -1, max: 1, noNaN: true }),
      wrong: fc.double({ min: -100, max: 100, noNaN: true }),
    });
    fc.assert(
      fc.property(line, ({ steps, slope, wrong }) => {
        const x = steps.toSorted((a, b) => a - b);
        const y = x.map((value, i) => (i === 0 ? wrong : slope * value));
        expect(theilSen(x, y)).toBeCloseTo(slope, 6);
      }),
      { seed: 1 },
    );
    expect(theilSen([5, 5], [1, 2])).toBe(0);
  });
});
