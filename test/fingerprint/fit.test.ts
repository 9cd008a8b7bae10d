import { beforeAll, describe, expect, it } from 'vitest';
import { leaveOneTaskOut } from '../../src/fingerprint/cross-validate.js';
import { type Fingerprint, type FitOptions, fitFingerprint, scorePair } from '../../src/fingerprint/index.js';
import { fitLinear, predictLinear } from '../../src/fingerprint/linear-model.js';
import { solveProgram } from '../../src/fingerprint/solve.js';
import { publishedMetrics, publishedMissing, publishedRows } from './published.js';
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
};

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
      expect(variant.effects[task]).toBeCloseTo(EFFECTS_OF[i], 1);
    });
    expect(Object.values(variant.effects).reduce((a, b) => a + b)).toBeCloseTo(0, 9);
    expect(variant.effectSpread).toBeCloseTo(0.04, 2);
  });

  it('orders the variants by their metrics, the effects last, and says what was dropped', () => {
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

  it('counts its programs right and names method, variant and fold', () => {
    expect(last.done).toBe(last.total);
    expect(labels).toContain('ties, weights, without bee');
    expect(labels).toContain('weight_avg, weights+more, relabelled 1, without gnu');
    expect(labels).toContain('ties, self-probe, without ant');
  });

  it('gives the same file again, whatever the threads', async () => {
    const again = await fitFingerprint(rows, { ...options, pool: { threads: 1 } });
    expect(again).toEqual(fingerprint);
  });

  it('leaves out rows without an outcome or a metric, and only those', async () => {
    const holes = rows.map((row, i) => ({
      ...row,
      outcomes: { ties: i === 0 ? null : row.outcomes.ties },
      metrics: { ...row.metrics, drag: i === 1 ? null : row.metrics.drag },
    }));
    const { methods } = await fitFingerprint(holes, { ...options, relabellings: 0 });
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
    ['a negative penalty', { penalty: -1 }, /penalty -1 is not 0 or more/],
  ])('refuses %s', async (_, change, message) => {
    await expect(fitFingerprint(rows, { ...options, ...change })).rejects.toThrow(message);
  });

  it('refuses a method with too few outcomes, naming it', async () => {
    const few = rows.map((row, i) => ({ ...row, outcomes: { ...row.outcomes, ties: i < 8 ? 0.9 : null } }));
    await expect(fitFingerprint(few, options)).rejects.toThrow(
      /ties, effects: .* 8 different pairs; at least/,
    );
  });

  it('names the program that was not solved in time', async () => {
    await expect(fitFingerprint(rows, { ...options, pool: { timeLimitSeconds: 0.001 } })).rejects.toThrow(
      /ties, .* was not solved within 0.001 s/,
    );
  });
});

describe('leaving one task out', () => {
  it('holds out either side of an undirected table, only the live side of a directed one', async () => {
    const examples = syntheticTable().map((row, id) => ({ ...row, id, values: [], outcome: 0.9 }));
    const counts = async (directed: boolean) => {
      const heldOut = await leaveOneTaskOut(examples, directed, async (train, fold) => {
        expect(train.some(({ taskA, taskB }) => taskA === fold || taskB === fold)).toBe(false);
        return () => 0.9;
      });
      return heldOut.length;
    };
    expect(await counts(false)).toBe(42);
    expect(await counts(true)).toBe(21);
  });

  it.skipIf(publishedMissing)(
    'reaches what SCIENCE says on a published table, metrics only (the tables are in ../shared)',
    async () => {
      const examples = publishedRows('vit-b-32-adamw')
        .filter((row) => row.outcomes.weight_avg !== null)
        .map(({ taskA, taskB, metrics, outcomes }, id) => ({
          id,
          taskA,
          taskB,
          values: publishedMetrics.map((name) => metrics[name] as number),
          outcome: outcomes.weight_avg as number,
        }));
      const { correlation } = await import('../../src/fingerprint/statistics.js');
      const rs: number[] = [];
      for (const fold of ['Cars', 'DTD', 'EuroSAT', 'MNIST', 'GTSRB']) {
        const inFold = examples.filter(({ taskA, taskB }) => taskA === fold || taskB === fold);
        const model = await fitLinear(
          examples.filter((example) => !inFold.includes(example)),
          {
            label: fold,
            features: publishedMetrics,
            withEffects: false,
            penalty: 0.003,
            solve: async (program) => solveProgram(program),
          },
        );
        const predicted = inFold.map((example) => predictLinear(model, publishedMetrics, example));
        rs.push(
          correlation(
            predicted,
            inFold.map((example) => example.outcome),
          ) as number,
        );
      }
      // SCIENCE: 0.67 over all 20 folds
      expect(rs.reduce((a, b) => a + b) / rs.length).toBeCloseTo(0.67, 1);
    },
    20_000,
  );
});

describe('a fitted fingerprint', () => {
  it('predicts an unseen live task better with a known partner than without', async () => {
    const rows = syntheticTable(0.001, 4);
    const seen = rows.filter(({ taskA, taskB }) => taskA !== 'dog' && taskB !== 'dog');
    const fingerprint = await fitFingerprint(seen, { ...options, relabellings: 0, methods: ['ties'] });
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
