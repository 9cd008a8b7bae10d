import { describe, expect, it } from 'vitest';
import { type FitOptions, fitFingerprint, solveProgram, type TableRow } from '../../src/fingerprint/index.js';
import { syntheticTable, TASKS } from './synthetic.js';

const quick: FitOptions = {
  name: 'synthetic',
  target: 'normalized_acc',
  methods: ['ties'],
  featureSets: { both: ['signal', 'drag'], one: ['drag'] },
  penalties: 'default',
  gradientKind: null,
  relabellings: 0,
  provenance: { architecture: 'none', optimiser: 'none', source: 'drawn' },
  solve: async (program) => solveProgram(program),
};

describe('the progress of a fit', () => {
  const rows = syntheticTable(0.01, 3);
  const turned = rows.map((row) => ({ ...row, taskA: row.taskB, taskB: row.taskA }));
  const early = rows.map((row) => ({ ...row, checkpoint: 50 }));
  const late = rows.map((row) => ({ ...row, checkpoint: 100 }));
  const holes = rows.map((row, i) => ({
    ...row,
    outcomes: {
      ties: i === 3 ? null : row.outcomes.ties,
      weight_avg: i < 6 ? null : row.outcomes.weight_avg,
    },
    metrics: { ...row.metrics, drag: i % 5 === 1 ? null : row.metrics.drag },
    selfProbe: i < 8 ? null : row.selfProbe,
  }));
  const twoHubs = rows.filter(({ taskA, taskB }) => (taskA === 'ant' || taskA === 'bee') && taskB !== 'bee');
  const isNoneOrOneOfGnu = ({ taskA, taskB }: TableRow) => taskB !== 'gnu' || taskA === 'ant';
  const groups = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => ({
    tasks: [TASKS[i % 7], TASKS[(i + 2) % 7], TASKS[(i + 3) % 7]],
    outcomes: { ties: 0.7 + 0.01 * i },
  }));

  it.each<[string, TableRow[], Partial<FitOptions>]>([
    ['an undirected table', rows, {}],
    ['pairs in both orders', [...rows, ...turned], {}],
    ['pairs of which some are in both orders', [...rows, ...turned.slice(0, 9)], {}],
    ['checkpoints', [...early, ...late], {}],
    ['holes', holes, { methods: undefined }],
    ['a table that is small', rows.filter(({ taskA }) => taskA !== 'ant' && taskA !== 'bee'), {}],
    ['two tasks in every pair', twoHubs, {}],
    ['a task that is in one pair only', rows.filter(isNoneOrOneOfGnu), {}],
    ['no metrics at all', rows, { featureSets: {} }],
    ['groups', rows, { groups }],
    ['no self-probe', rows.map((row) => ({ ...row, selfProbe: null })), {}],
  ])('ends at its total with %s, however penalties are set', async (_, table, change) => {
    for (const penalties of ['nested', 'default'] as const) {
      const steps: { done: number; total: number }[] = [];
      await fitFingerprint(table, {
        ...quick,
        relabellings: penalties === 'nested' ? 1 : 3,
        ...change,
        penalties,
        onProgress: ({ done, total }) => steps.push({ done, total }),
      });
      const { total } = steps[0];
      expect(steps).toEqual(steps.map((_step, i) => ({ done: i + 1, total })));
      expect(steps).toHaveLength(total);
    }
  });

  it('takes the penalty that was chosen without a task for all fits without it', async () => {
    const prices = new Map<string, number>();
    const { methods } = await fitFingerprint(rows, {
      ...quick,
      featureSets: { some: ['signal', 'drag', 'noise'] },
      penalties: 'nested',
      solve: async (program) => {
        prices.set(program.label, program.prices[0]);
        return solveProgram(program);
      },
    });
    const [{ penalty }] = methods.ties.variants;
    expect(prices.get('ties, some')).toBe(penalty);
    const inner = [...prices.keys()].filter((label) => /^ties, some, without \w+ and \w+$/.test(label));
    expect(inner.length).toBeGreaterThanOrEqual(21);
    for (const label of inner) {
      expect(prices.get(label), label).toBe(prices.get(label.replace(/ and \w+$/, '')));
    }
    expect(inner.some((label) => prices.get(label) !== penalty)).toBe(true);
  });

  it('solves fewer programs than it makes fits: a pair of tasks is left out once', async () => {
    let fits = 0;
    const labels: string[] = [];
    await fitFingerprint(rows, {
      ...quick,
      featureSets: { both: ['signal', 'drag'] },
      solve: async (program) => {
        labels.push(program.label);
        return solveProgram(program);
      },
      onProgress: () => {
        fits++;
      },
    });
    expect(labels.length).toBeLessThan(fits);
    // 21 pairs of the 7 tasks, of a variant with metrics and of effects alone
    expect(labels.filter((label) => / and /.test(label))).toHaveLength(2 * 21);
    expect(new Set(labels).size).toBe(labels.length);
  });
});
