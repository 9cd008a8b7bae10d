import { beforeAll, describe, expect, it } from 'vitest';
import {
  type Fingerprint,
  type FitOptions,
  fitFingerprint,
  scorePair,
  solveProgram,
} from '../../src/fingerprint/index.js';
import { METRICS_ONLY_GRID, WITH_EFFECTS_GRID } from '../../src/fingerprint/penalty.js';
import { EFFECTS_OF, syntheticTable, TASKS } from './synthetic.js';

const options: FitOptions = {
  name: 'synthetic',
  target: 'normalized_acc',
  featureSets: {
    weights: ['signal', 'noise', 'flat'],
    'weights+more': ['signal', 'drag', 'noise', 'flat', 'absent'],
  },
  gradientKind: null,
  relabellings: 2,
  provenance: { architecture: 'none', optimiser: 'none', source: 'drawn' },
  // threads take a second to start
  solve: async (program) => solveProgram(program),
};
const quick: FitOptions = { ...options, penalties: 'default', relabellings: 0, methods: ['ties'] };

describe('fitFingerprint', () => {
  const rows = syntheticTable();
  const labels: string[] = [];
  let fingerprint: Fingerprint;
  let last = { done: 0, total: 0 };
  beforeAll(async () => {
    fingerprint = await fitFingerprint(rows, {
      ...options,
      onProgress: ({ done, total, label }) => {
        last = { done, total };
        labels.push(label);
      },
    });
  });

  it('finds what the table was made with', () => {
    const [variant] = fingerprint.methods.ties.variants;
    const weight = (name: string) => {
      const feature = variant.features.find((each) => each.name === name);
      return feature === undefined ? Number.NaN : feature.weight / feature.scale;
    };
    expect(weight('signal')).toBeCloseTo(0.02, 2);
    expect(weight('drag')).toBeCloseTo(-0.01, 2);
    expect(Math.abs(weight('noise'))).toBeLessThan(0.002);
    TASKS.forEach((task, i) => {
      expect(variant.effects[task]).toBeCloseTo(EFFECTS_OF[i], 2);
    });
    // a typical task has none
    expect(Object.values(variant.effects).sort((a, b) => a - b)[3]).toBeCloseTo(0, 4);
    expect(variant.effectSpread).toBeCloseTo(0.04, 2);
  });

  it('orders the variants by the number of their metrics, and says what was dropped', () => {
    const { variants } = fingerprint.methods.weight_avg;
    expect(variants.map(({ name }) => name)).toEqual(['weights+more', 'weights', 'effects']);
    expect(variants[0].dropped).toEqual([
      { feature: 'absent', reason: 'missing in 21 of 21 rows' },
      { feature: 'flat', reason: 'constant over the rows' },
    ]);
  });

  it('reports the fit next to its baselines and its null', () => {
    const [{ loto, metricsOnly, effectsOnly, null: nulls }] = fingerprint.methods.ties.variants;
    expect(loto.r).toBeGreaterThan(0.95);
    expect(loto.mae).toBeLessThan(effectsOnly?.mae ?? 0);
    expect(metricsOnly?.r).toBeLessThan(loto.r ?? 0);
    expect(nulls?.count).toBe(2);
    expect(nulls?.meanR).toBeLessThan(metricsOnly?.r ?? 0);
    expect(loto.coverage).toBeGreaterThan(0.5);
  });

  it('fits the self-probe and its combination', () => {
    const { selfProbe, variants } = fingerprint.methods.ties;
    expect(selfProbe?.slope).toBeCloseTo(0.7, 1);
    expect(selfProbe?.offset).toBeCloseTo(0.3, 1);
    expect(selfProbe?.loto.mae).toBeLessThan(0.005);
    expect(variants[0].combined?.loto.mae).toBeLessThan(variants[0].loto.mae);
    expect(fingerprint.methods.weight_avg.selfProbe?.offset).toBeCloseTo(0.28, 1);
  });

  it('sets its penalties inside the training folds, and says how', () => {
    for (const { variants } of Object.values(fingerprint.methods)) {
      for (const { penalty, metricsOnly } of variants) {
        expect(WITH_EFFECTS_GRID.tried).toContain(penalty);
        expect(metricsOnly === null || METRICS_ONLY_GRID.tried.includes(metricsOnly.penalty)).toBe(true);
      }
      // chosen once a method
      expect(new Set(variants.map(({ penalty }) => penalty)).size).toBe(1);
    }
    expect(fingerprint.provenance.penalties).toBe('nested');
    expect(fingerprint.provenance.seeds).toEqual([0, 1]);
  });

  it('gives every weight the range that it has in the fits without one task', () => {
    for (const { range, weight } of fingerprint.methods.ties.variants[0].features) {
      expect(range[0]).toBeLessThanOrEqual(range[1]);
      // far more rows are shared than left out
      expect(weight).toBeGreaterThan(range[0] - 0.005);
      expect(weight).toBeLessThan(range[1] + 0.005);
    }
  });

  it('names method, variant and fold of what it fits', () => {
    expect(last.done).toBe(last.total);
    expect(labels).toContain('ties, weights, without bee');
    expect(labels).toContain('ties, weights, without bee and cat');
    expect(labels).toContain('ties, weights, metrics only, without bee');
    expect(labels).toContain('weight_avg, weights+more, relabelled 1, without gnu');
    expect(labels).toContain('ties, self-probe, without ant');
    expect(labels.some((label) => label.startsWith('ties, penalty of metrics only, without '))).toBe(true);
  });

  it('gives the same file again, whatever the threads', async () => {
    const again = await fitFingerprint(rows, quick);
    for (const threads of [1, 2]) {
      const threaded = await fitFingerprint(rows, { ...quick, solve: undefined, pool: { threads } });
      expect(JSON.stringify(threaded)).toBe(JSON.stringify(again));
    }
    expect(again.methods.ties.selfProbe).toEqual(fingerprint.methods.ties.selfProbe);
  });

  it('takes the default penalties when asked to, and is the same but for what depends on them', async () => {
    const { methods, provenance } = await fitFingerprint(rows, { ...options, penalties: 'default' });
    expect(methods.ties.variants.map(({ penalty }) => penalty)).toEqual(
      new Array(3).fill(WITH_EFFECTS_GRID.default),
    );
    expect(methods.ties.variants[0].metricsOnly?.penalty).toBe(METRICS_ONLY_GRID.default);
    expect(methods.ties.selfProbe).toEqual(fingerprint.methods.ties.selfProbe);
    expect(provenance.penalties).toBe('default');
  });

  it('has effects alone last, though metrics may do worse', async () => {
    const { methods } = await fitFingerprint(syntheticTable(0.02, 2), {
      ...quick,
      featureSets: { meaningless: ['noise', 'flat'] },
    });
    const [first, last] = methods.ties.variants;
    expect([first.name, last.name]).toEqual(['meaningless', 'effects']);
    expect(first.loto.mae).toBeGreaterThan(last.loto.mae);
  });

  it('has a variant of effects alone that equals the baseline of the others', () => {
    const { variants } = fingerprint.methods.ties;
    const effects = variants[variants.length - 1];
    expect(effects).toMatchObject({ features: [], metricsOnly: null, effectsOnly: null, null: null });
    expect(variants[0].effectsOnly?.mae).toBeCloseTo(effects.loto.mae, 9);
    expect(effects.bootstrap.gain).toBeNull();
    expect(variants[0].bootstrap.gain?.[0]).toBeGreaterThan(0);
  });

  it('leaves out rows without an outcome or a metric, and only those', async () => {
    const holes = rows.map((row, i) => ({
      ...row,
      outcomes: { ties: i === 0 ? null : row.outcomes.ties },
      metrics: { ...row.metrics, drag: i === 1 ? null : row.metrics.drag },
    }));
    const { methods } = await fitFingerprint(holes, { ...quick, methods: undefined });
    expect(Object.keys(methods)).toEqual(['ties']);
    expect(methods.ties.rows).toBe(20);
    expect(methods.ties.variants.map((variant) => variant.rows)).toEqual([19, 20, 20]);
    expect(methods.ties.variants[0].null).toEqual({ count: 0, meanR: null, r95: null });
  });

  it.each<[string, Partial<FitOptions>, RegExp]>([
    ['an unknown method', { methods: ['tsv'] }, /tsv is not in the table; there are: ties, weight_avg/],
    [
      'no metric of a set',
      { featureSets: { a: ['x', 'y'] } },
      /ties, a: the table has none of its metrics \(x, y\)/,
    ],
    ['the reserved name', { featureSets: { effects: ['signal'] } }, /can not be called "effects"/],
    [
      'gradients of no kind',
      { featureSets: { g: ['encoder_gradient_l2_distance'] } },
      /gradientKind is null, but the features include encoder_gradient_l2_distance/,
    ],
    ['a level of 80', { level: 80 }, /level 80 is not between 0 and 1/],
  ])('refuses %s', async (_, change, message) => {
    await expect(fitFingerprint(rows, { ...options, ...change })).rejects.toThrow(message);
  });

  it('refuses a method with too few outcomes, naming it', async () => {
    const few = rows.map((row, i) => ({ ...row, outcomes: { ...row.outcomes, ties: i < 8 ? 0.9 : null } }));
    await expect(fitFingerprint(few, quick)).rejects.toThrow(/ties, effects: .* 8 different pairs; at least/);
  });

  it('gives a weight the range 0 to 0 in a fit in which its metric is constant', async () => {
    const spike = rows.map((row) => {
      const value = row.taskA === 'ant' ? (row.metrics.signal as number) : 0;
      return { ...row, metrics: { signal: row.metrics.signal, spike: value } };
    });
    const { methods } = await fitFingerprint(spike, { ...quick, featureSets: { both: ['signal', 'spike'] } });
    const feature = methods.ties.variants[0].features.find(({ name }) => name === 'spike');
    expect(feature?.range[0]).toBeLessThanOrEqual(0);
    expect(feature?.range[1]).toBeGreaterThanOrEqual(0);
    expect(feature?.range[1]).toBeLessThan(0.1);
  });

  it('names the program that was not solved in time', async () => {
    await expect(
      fitFingerprint(rows, { ...options, solve: undefined, pool: { timeLimitSeconds: 0.001 } }),
    ).rejects.toThrow(/ties, .* it was not done within 0.001 s/);
  });
});

describe('a fitted fingerprint', () => {
  it('predicts an unseen live task better with a known partner than without', async () => {
    const rows = syntheticTable(0.001, 4);
    const seen = rows.filter(({ taskA, taskB }) => taskA !== 'dog' && taskB !== 'dog');
    const fingerprint = await fitFingerprint(seen, quick);
    let known = 0;
    let unknown = 0;
    for (const row of rows.filter(({ taskA, taskB }) => taskA === 'dog' || taskB === 'dog')) {
      const metrics = Object.fromEntries(
        Object.entries(row.metrics).map(([name, value]) => [name, { value: value as number }]),
      );
      const input = {
        method: 'ties',
        metrics,
        gradientKinds: { live: null, reference: null },
        selfProbe: null,
      };
      const partner = row.taskA === 'dog' ? row.taskB : row.taskA;
      const actual = row.outcomes.ties as number;
      known += Math.abs((scorePair(fingerprint, { ...input, reference: partner }).value as number) - actual);
      unknown += Math.abs((scorePair(fingerprint, { ...input, reference: 'new' }).value as number) - actual);
    }
    expect(known).toBeLessThan(unknown);
  });
});
