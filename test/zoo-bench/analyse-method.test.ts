import { describe, expect, it } from 'vitest';
import { byFold } from '../../src/fingerprint/cross-validate.js';
import { figuresOf } from '../../src/fingerprint/figures.js';
import { Gate } from '../../src/fingerprint/gate.js';
import { solveProgram } from '../../src/fingerprint/solve.js';
import { Random } from '../../src/tensors/index.js';
import {
  analyseMethod,
  type MethodAnalysis,
  type MethodOptions,
  openTable,
} from '../bench/zoo/analyse-method.js';
import { FURTHER_PREDICTORS, PREDICTORS } from '../bench/zoo/predictors.js';
import type { PartsEvaluated, ZooTable } from '../bench/zoo/zoo-table.js';
import { syntheticZoo } from './synthetic-zoo.js';

const options = (changes: Partial<MethodOptions> = {}): MethodOptions => ({
  fits: { solve: async (program) => solveProgram(program), gate: new Gate(4), onFit: () => {} },
  penalties: 'default',
  relabellings: 0,
  ...changes,
});

/** One method of a table. */
const analysed = (table: ZooTable, method: string, settings: MethodOptions) =>
  analyseMethod(openTable(table, settings), method);

const zoo = syntheticZoo({ seed: 1, tasks: 7 });

/** The same zoo with every evaluation of a merged model changed, on the sides of both tasks. */
function withMerges(
  table: ZooTable,
  change: (parts: PartsEvaluated, task: string, pair: string[]) => PartsEvaluated,
): ZooTable {
  return {
    ...table,
    pairs: table.pairs.map((pair) => ({
      ...pair,
      merges: Object.fromEntries(
        Object.entries(pair.merges).map(([method, { a, b }]) => {
          const tasks = [pair.a, pair.b];
          return [method, { a: change(a, pair.a, tasks), b: change(b, pair.b, tasks) }];
        }),
      ),
    })),
  };
}

function foldOf({ predicted }: MethodAnalysis, predictor: string, fold: string): number[] {
  return (byFold(predicted[predictor].heldOut).get(fold) ?? []).map((row) => row.predicted);
}

function errorOf(analysis: MethodAnalysis, predictor: string): number {
  return figuresOf(analysis.predicted[predictor].heldOut).mae;
}

describe('a predictor', () => {
  it('does not know the outcomes of the task that it predicts, whatever it is made of', async () => {
    const task = 'task-2';
    const random = new Random('other outcomes');
    const other: ZooTable = {
      ...withMerges(zoo, (parts, _, pair) =>
        pair.includes(task) ? { ...parts, test: { ...parts.test, accuracy: random.uniform() } } : parts,
      ),
      own: { ...zoo.own, [task]: { ...zoo.own[task], test: { accuracy: 0.5, loss: 3, samples: 500 } } },
    };
    const settings = options({ penalties: 'nested' });
    const [before, after] = [await analysed(zoo, 'ties', settings), await analysed(other, 'ties', settings)];
    for (const { name } of [...PREDICTORS, ...FURTHER_PREDICTORS]) {
      expect(foldOf(before, name, task), name).toHaveLength(6);
      expect(foldOf(after, name, task), name).toEqual(foldOf(before, name, task));
      // in the other folds these outcomes are learned from
      const isFitted = name !== 'raw probe128';
      const elsewhere = foldOf(after, name, 'task-3').join() !== foldOf(before, name, 'task-3').join();
      expect(elsewhere, name).toBe(isFitted);
    }
  });

  it('predicts every pair twice, on the same rows as all others', async () => {
    const analysis = await analysed(zoo, 'tsv', options());
    for (const { name } of [...PREDICTORS, ...FURTHER_PREDICTORS]) {
      const { heldOut, coverage } = analysis.predicted[name];
      expect(heldOut.map(({ fold, example }) => [fold, example.id])).toEqual(
        analysis.predicted.effects.heldOut.map(({ fold, example }) => [fold, example.id]),
      );
      expect(heldOut).toHaveLength(42);
      expect(coverage).toBeGreaterThan(0.4);
    }
    expect(analysis.truths).toHaveLength(21);
  });

  it('makes no error with a probe that is the truth', async () => {
    const exact = withMerges(zoo, (parts) => ({
      ...parts,
      calibration: { ...parts.calibration, 128: parts.test },
    }));
    const own = Object.fromEntries(
      Object.entries(zoo.own).map(([task, parts]) => [
        task,
        { ...parts, calibration: { ...parts.calibration, 128: parts.test } },
      ]),
    );
    const analysis = await analysed({ ...exact, own }, 'ties', options());
    expect(errorOf(analysis, 'raw probe128')).toBe(0);
    expect(errorOf(analysis, 'probe128 accuracy')).toBeLessThan(1e-9);
    // the line of the loss is off, and is given next to no say
    for (const name of ['probe128', 'probe + effects', 'all']) {
      expect(errorOf(analysis, name)).toBeLessThan(2e-4);
    }
    expect(errorOf(analysis, 'probe32')).toBeGreaterThan(5e-3);
  });

  it('finds effects, where outcomes are nothing else', async () => {
    const additive = withMerges(zoo, (parts, task) => {
      const { accuracy } = zoo.own[task].test;
      const effect = 0.95 - 0.03 * Number(task.at(-1)) ** 1.5;
      return { ...parts, test: { ...parts.test, accuracy: accuracy * effect } };
    });
    const analysis = await analysed(additive, 'ties', options());
    expect(figuresOf(analysis.predicted.effects.heldOut).r).toBeCloseTo(1, 6);
    // what is left is the effect of the task that is not known: the same in all its pairs
    for (const rows of byFold(analysis.predicted.effects.heldOut).values()) {
      const errors = rows.map(({ predicted, example }) => predicted - example.outcome);
      expect(Math.max(...errors) - Math.min(...errors)).toBeLessThan(1e-6);
    }
  });

  it('learns from the partner by how much its probe is off', async () => {
    // the calibration images of a task are easier or harder than its test images, in all its pairs alike
    const luck = (task: string) => 1 + 0.04 * Math.sin(5 * Number(task.at(-1)));
    const biased = withMerges(zoo, (parts, task) => {
      const test = { ...parts.test, accuracy: parts.test.accuracy * luck(task) };
      return { test, calibration: { ...parts.calibration, 128: { ...parts.test } } };
    });
    const own = Object.fromEntries(
      Object.entries(zoo.own).map(([task, parts]) => [
        task,
        { ...parts, calibration: { ...parts.calibration, 128: parts.test } },
      ]),
    );
    const analysis = await analysed({ ...biased, own }, 'ties', options());
    const unexplained = (name: string) => 1 - (figuresOf(analysis.predicted[name].heldOut).r as number);
    expect(unexplained('probe + effects')).toBeLessThan(0.3 * unexplained('probe128'));
    expect(errorOf(analysis, 'probe + effects')).toBeLessThan(errorOf(analysis, 'probe128'));
  });

  it('learns from the other merge methods what they have in common, and nothing else', async () => {
    const other: ZooTable = {
      ...zoo,
      pairs: zoo.pairs.map((pair) => {
        const { a, b } = pair.merges.tsv;
        const luckier = (parts: PartsEvaluated) => ({
          ...parts,
          test: {
            ...parts.test,
            accuracy: 0.9 * parts.test.accuracy + 0.02 * (pair.metrics.effective_rank ?? 0),
          },
        });
        return { ...pair, merges: { ...pair.merges, tsv: { a: luckier(a), b: luckier(b) } } };
      }),
    };
    const [before, after] = [
      await analysed(zoo, 'ties', options()),
      await analysed(other, 'ties', options()),
    ];
    const changed = Object.keys(before.predicted).filter(
      (name) => errorOf(before, name) !== errorOf(after, name),
    );
    expect(changed).toEqual(expect.arrayContaining(['all', 'probe + effects', 'probes + effects']));
    for (const name of ['metrics', 'effects', 'both', 'probe8', 'probe128', 'selfProbe', 'probes of all']) {
      expect(changed).not.toContain(name);
    }
  });

  it('is closer with everything than with the probe, at every number of samples', async () => {
    const zoos = [1, 2].map((seed) => syntheticZoo({ seed, tasks: 7 }));
    const errors = { probe8: 0, 'all at 8': 0, probe32: 0, 'all at 32': 0, probe128: 0, all: 0 };
    for (const each of zoos) {
      const analysis = await analysed(each, 'weight_avg', options());
      for (const name of Object.keys(errors) as (keyof typeof errors)[]) {
        errors[name] += errorOf(analysis, name) / zoos.length;
      }
    }
    expect(errors['all at 8']).toBeLessThan(0.9 * errors.probe8);
    expect(errors['all at 32']).toBeLessThan(0.9 * errors.probe32);
    expect(errors.all).toBeLessThan(0.95 * errors.probe128);
  });
});

describe('the null', () => {
  it('is one correlation a relabelling, below what metrics that say something reach', async () => {
    const analysis = await analysed(zoo, 'ties', options({ relabellings: 6 }));
    expect(analysis.relabelled).toHaveLength(6);
    const rs = analysis.relabelled.map((r) => r as number);
    const observed = figuresOf(analysis.predicted.metrics.heldOut).r as number;
    expect(rs.reduce((sum, r) => sum + r, 0) / 6).toBeLessThan(observed);
    expect(new Set(rs).size).toBe(6);
  });
});

describe('what is missing', () => {
  it('leaves pairs out for every predictor, and says so', async () => {
    const pairs = zoo.pairs.map((pair, i) =>
      i === 3 ? { ...pair, metrics: { ...pair.metrics, effective_rank: null } } : pair,
    );
    const analysis = await analysed({ ...zoo, pairs }, 'ties', options());
    expect(analysis.notes).toEqual([
      'never is not used: missing in 21 of 21 rows',
      '1 of 21 pairs lack a metric, a measurement or their outcome: left out',
    ]);
    expect(analysis.predicted.probe128.heldOut).toHaveLength(40);
  });

  it('takes the predictors that need it away, and no others', async () => {
    const silent = Object.fromEntries(
      Object.entries(zoo.own).map(([task, parts]) => [
        task,
        { ...parts, calibration: { ...parts.calibration, 8: { accuracy: 0, loss: 3, samples: 8 } } },
      ]),
    );
    const pairs = zoo.pairs.map((pair) => ({ ...pair, metrics: { never: null } }));
    const analysis = await analysed({ ...zoo, pairs, own: silent }, 'ties', options({ relabellings: 2 }));
    const names = [...PREDICTORS, ...FURTHER_PREDICTORS].map(({ name }) => name);
    const gone = ['metrics', 'both', 'probe8', 'all at 8'];
    expect(Object.keys(analysis.predicted).sort()).toEqual(
      names.filter((name) => !gone.includes(name)).sort(),
    );
    expect(analysis.relabelled).toEqual([]);
    expect(analysis.notes).toContain('probe8 accuracy is not used: missing in 21 of 21 rows');
  });

  it('is everything where there are too few tasks', async () => {
    const analysis = await analysed(syntheticZoo({ seed: 1, tasks: 4 }), 'ties', options());
    expect(analysis.predicted).toEqual({});
    expect(analysis.notes.at(-1)).toMatch(/^no fit: 4 tasks and 6 different pairs; at least 5 tasks/);
  });
});
