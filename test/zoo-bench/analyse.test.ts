import { beforeAll, describe, expect, it } from 'vitest';
import { MergeguardError } from '../../src/tensors/index.js';
import { analyse, reportJson, reportLines, type ZooReport } from '../bench/zoo/analyse.js';
import { mostFragile, withoutTasks } from '../bench/zoo/fragile.js';
import { PREDICTOR_NAMES } from '../bench/zoo/predictors.js';
import { syntheticZoo } from './synthetic-zoo.js';

const methods = { weight_avg: 1, 'task_arithmetic@0.6': 1.2 };
const tables = [1, 2].map((seed) => syntheticZoo({ seed, tasks: 7, methods }));
const quick = { quick: true, resamples: 200 };

let report: ZooReport;
let progress: { done: number; total: number; label: string }[];
beforeAll(async () => {
  progress = [];
  report = await analyse(tables, { ...quick, onProgress: (each) => progress.push(each) });
});

describe('analyse', () => {
  it('takes the mean over the seeds, and says how far they are apart', async () => {
    const singles = await Promise.all(tables.map((table) => analyse([table], quick)));
    for (const name of PREDICTOR_NAMES) {
      const [one, other] = singles.map(
        (single) => single.methods.weight_avg.predictors[name].mae.mean as number,
      );
      const { mae } = report.methods.weight_avg.predictors[name];
      expect(mae.mean).toBeCloseTo((one + other) / 2, 12);
      expect(mae.spread).toBeCloseTo(Math.abs(one - other) / Math.SQRT2, 12);
    }
    expect(singles[0].methods.weight_avg.truth.mean.spread).toBeNull();
  });

  it('gives the same again', async () => {
    expect(await analyse(tables, quick)).toEqual(report);
  });

  it('tells of every method and table, with and without the fragile tasks', () => {
    expect(progress.map(({ done, total }) => [done, total])).toEqual(
      Array.from({ length: 8 }, (_, done) => [done, 8]),
    );
    expect(progress[1].label).toBe('weight_avg, seed 2');
    expect(progress.at(-1)?.label).toBe('task_arithmetic@0.6, seed 2, without the most fragile tasks');
  });

  it('tries a null of one draw a relabelling', () => {
    expect(report.methods.weight_avg.null?.count).toBe(20);
  });

  it('refuses no table, and tables of different methods', async () => {
    await expect(analyse([])).rejects.toThrow(MergeguardError);
    await expect(analyse([tables[0], syntheticZoo({ seed: 3, tasks: 7 })])).rejects.toThrow(
      /different merge methods: weight_avg, task_arithmetic@0.6 in seed 1, weight_avg, ties, tsv in seed 3/,
    );
  });
});

describe('the fragile tasks', () => {
  it('are those whose own side merges hurt most', () => {
    const [table] = tables;
    const pairs = table.pairs.map((pair) => ({
      ...pair,
      merges: Object.fromEntries(
        Object.entries(pair.merges).map(([method, sides]) => {
          const side = (task: string, parts: (typeof sides)['a']) =>
            task === 'task-3' || task === 'task-5'
              ? { ...parts, test: { ...parts.test, accuracy: task === 'task-5' ? 0.1 : 0.2 } }
              : parts;
          return [method, { a: side(pair.a, sides.a), b: side(pair.b, sides.b) }];
        }),
      ),
    }));
    expect(mostFragile({ ...table, pairs }, 2)).toEqual(['task-5', 'task-3']);
  });

  it('take all their pairs with them', () => {
    const left = report.withoutFragile.left[0].tasks;
    const rest = withoutTasks(tables[0], left);
    expect([rest.tasks.length, rest.pairs.length]).toEqual([5, 10]);
    expect(rest.pairs.some(({ a, b }) => left.includes(a) || left.includes(b))).toBe(false);
  });
});

describe('the JSON', () => {
  it('has exactly what was agreed, in points', () => {
    const json = reportJson(report);
    expect(Object.keys(json)).toEqual(['methods']);
    expect(Object.keys(json.methods)).toEqual(Object.keys(methods));
    for (const [name, method] of Object.entries(json.methods)) {
      expect(Object.keys(method)).toEqual(['truth', ...PREDICTOR_NAMES]);
      expect(Object.keys(method.truth)).toEqual(['mean', 'sd']);
      expect(method.truth.mean).toBeCloseTo(100 * (report.methods[name].truth.mean.mean as number), 9);
      expect(method.truth.mean).toBeGreaterThan(50);
      for (const predictor of PREDICTOR_NAMES) {
        expect(Object.keys(method[predictor])).toEqual(['r', 'pooledR', 'mae']);
        expect(Object.values(method[predictor]).every(Number.isFinite)).toBe(true);
        expect(method[predictor].mae).toBeGreaterThan(0.1);
      }
    }
  });

  it('is null where a figure could not be computed', async () => {
    const [table] = tables;
    const pairs = table.pairs.map((pair) => ({ ...pair, metrics: {} }));
    const json = reportJson(await analyse([{ ...table, pairs }], quick));
    const nothing = { r: null, pooledR: null, mae: null };
    expect(json.methods.weight_avg).toMatchObject({ metrics: nothing, both: nothing });
    expect(json.methods.weight_avg.probe128.mae).toBeGreaterThan(0);
    expect(JSON.stringify(json)).not.toContain('NaN');
  });
});

describe('the report', () => {
  it('says what was done, and draws the conclusions from its own figures', () => {
    const text = reportLines(report).join('\n');
    expect(text).toContain('21 pairs, seeds 1, 2; ± is the standard deviation over the seeds.');
    expect(text).toContain('not chosen inside the training folds (quick); 20 relabellings');
    expect(text).toContain(
      'never is not used: missing in 21 of 21 rows (weight_avg, task_arithmetic@0.6; seeds 1, 2)',
    );
    const [low, high] = [0.001, -0.001].map((low) => {
      const { weight_avg: method } = report.methods;
      const gains = method.gains.map((gain) => ({ ...gain, mae: { value: 0.005, low, high: 0.009 } }));
      return reportLines({ ...report, methods: { weight_avg: { ...method, gains } } }).join('\n');
    });
    expect(low).toContain('clearly better than the probe at 128 samples (interval above zero): weight_avg.');
    expect(low).toContain('NOT clearly better than the probe at 128 samples: no method.');
    expect(high).toContain('NOT clearly better than the probe at 128 samples: weight_avg.');
  });

  it('says what everything together gains, all methods at once, with and without the fragile tasks', () => {
    const [gain] = report.together;
    const say = (value: number) =>
      reportLines({
        ...report,
        together: [{ ...gain, samples: 32, mae: { value, low: -0.001, high: 0.004 } }],
      });
    expect(say(0.002)).toContain(
      `All merge methods at once, 32 samples: everything together is off by 0.20 points less than the probe, gain -0.10 to 0.40; ${gain.better} of 7 tasks better.`,
    );
    expect(say(-0.002).join()).toContain('off by 0.20 points more than the probe');
    expect(report.together.map(({ samples }) => samples)).toEqual([8, 32, 128]);
    expect(report.withoutFragile.together.map(({ samples }) => samples)).toEqual([8, 32, 128]);
  });

  it('takes the mean over methods and seeds for all methods at once', () => {
    const { together, methods: each } = report;
    together.forEach(({ mae }, i) => {
      const gains = Object.values(each).map((method) => method.gains[i].mae.value);
      expect(mae.value).toBeCloseTo((gains[0] + gains[1]) / 2, 12);
    });
  });

  it('says plainly where metrics do not beat effects or the wrong tasks', () => {
    const { weight_avg: method } = report.methods;
    const figure = (mean: number) => ({ mean, spread: null });
    const lines = (r: number) => {
      const metrics = { ...method.predictors.metrics, r: figure(r), mae: figure(0.05) };
      const effects = { ...method.predictors.effects, r: figure(0.8), mae: figure(0.04) };
      const made = {
        ...method,
        predictors: { ...method.predictors, metrics, effects },
        null: { count: 20, meanR: 0.3, r95: 0.5 },
      };
      return reportLines({ ...report, methods: { weight_avg: made } }).join('\n');
    };
    expect(lines(0.4)).toContain('do not rank partners better than task effects (r in fold): weight_avg.');
    expect(lines(0.4)).toContain(
      'do not predict closer than task effects (mean absolute error): weight_avg.',
    );
    expect(lines(0.4)).toMatch(/no better than metrics of the wrong tasks do .*: weight_avg\./);
    expect(lines(0.9)).toContain('do not rank partners better than task effects (r in fold): no method.');
    expect(lines(0.9)).toMatch(/no better than metrics of the wrong tasks do .*: no method\./);
  });

  it('has a dash where there is no figure', async () => {
    const few = await analyse([syntheticZoo({ seed: 1, tasks: 6, methods })], quick);
    const lines = reportLines(few);
    expect(lines.some((line) => /^no fit: 4 tasks and 6 different pairs/.test(line))).toBe(true);
    expect(lines.filter((line) => /^probe128 +- +-$/.test(line))).toHaveLength(4);
    expect(Object.values(few.withoutFragile.methods)[0].truth.mean.mean).toBeGreaterThan(0.5);
  });
});
