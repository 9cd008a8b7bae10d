import { describe, expect, it } from 'vitest';
import { fitReport, reportLines } from '../../src/cli/fit-report.js';
import type { Fingerprint, Variant } from '../../src/fingerprint/index.js';
import { exampleFingerprint } from '../fingerprint/example.js';

const example = exampleFingerprint();
const [richest, weights, effects] = example.methods.ties.variants;

/** The example with one method for each list of variants. */
function withMethods(methods: Record<string, Variant[]>): Fingerprint {
  const { ties } = example.methods;
  return exampleFingerprint({
    methods: Object.fromEntries(
      Object.entries(methods).map(([name, variants]) => [name, { ...ties, variants }]),
    ),
  });
}

describe('fitReport', () => {
  it("holds the figures of every method's variant with the most features, wherever it stands", () => {
    const better = { ...weights, loto: { ...weights.loto, mae: 0.001 } };
    const { target, methods } = fitReport(withMethods({ ties: [better, richest, effects] }));
    expect(target).toBe('normalized_acc');
    expect(methods).toEqual({
      ties: {
        metricsOnly: { r: 0.6, mae: 0.03 },
        effectsOnly: { r: 0.65, mae: 0.025 },
        full: { r: 0.7, mae: 0.02, coverage80: 0.8 },
        null: { meanR: 0.4, r95: 0.5 },
      },
    });
  });

  it('has null where there is nothing: no relabellings, no metrics', () => {
    const { methods } = fitReport(
      withMethods({
        ties: [{ ...richest, null: { count: 0, meanR: null, r95: null } }, effects],
        tsv: [effects],
      }),
    );
    expect(methods.ties.null).toEqual({ meanR: null, r95: null });
    expect(methods.tsv).toEqual({
      metricsOnly: { r: null, mae: null },
      // effects alone are what that variant is
      effectsOnly: { r: 0.7, mae: 0.02 },
      full: { r: 0.7, mae: 0.02, coverage80: 0.8 },
      null: { meanR: null, r95: null },
    });
  });

  it('averages over the methods that have a figure', () => {
    const other: Variant = {
      ...richest,
      loto: { r: null, mae: 0.04, coverage: 0.7 },
      metricsOnly: { ...(richest.metricsOnly as NonNullable<Variant['metricsOnly']>), r: 0.2, mae: 0.05 },
      null: { count: 0, meanR: null, r95: null },
    };
    const { mean } = fitReport(withMethods({ ties: [richest, effects], tsv: [other, effects] }));
    expect(mean.metricsOnly.r).toBeCloseTo(0.4, 12);
    expect(mean.metricsOnly.mae).toBeCloseTo(0.04, 12);
    expect(mean.effectsOnly.mae).toBeCloseTo(0.025, 12);
    expect(mean.full.r).toBeCloseTo(0.7, 12);
    expect(mean.full.mae).toBeCloseTo(0.03, 12);
    expect(mean.full.coverage80).toBeCloseTo(0.75, 12);
    expect(mean.null).toEqual({ meanR: 0.4, r95: 0.5 });
    expect(fitReport(withMethods({ tsv: [effects] })).mean.metricsOnly).toEqual({ r: null, mae: null });
  });
});

describe('reportLines', () => {
  it('shows a line a method, errors in points, and the mean of several', () => {
    const one = reportLines(example);
    expect(one).toContain(
      'merge method       r     mae       r     mae       r     mae    held    null    95 %',
    );
    expect(one).toContain(
      'ties            0.60    3.00    0.65    2.50    0.70    2.00    80 %    0.40    0.50',
    );
    expect(one.some((line) => /^mean +[\d-]/.test(line))).toBe(false);
    const two = reportLines(withMethods({ ties: [richest, effects], tsv: [effects] }));
    expect(two).toContain(
      'tsv                -       -    0.70    2.00    0.70    2.00    80 %       -       -',
    );
    expect(two.some((line) => /^mean +[\d-]/.test(line))).toBe(true);
    expect(Math.max(...two.map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  it('says in so many words where metrics do not help', () => {
    const gain = (low: number, high: number): Variant => ({
      ...richest,
      bootstrap: { ...richest.bootstrap, gain: [low, high] },
    });
    const untold = { ...richest, null: { count: 0, meanR: null, r95: null } };
    const lines = reportLines(
      withMethods({
        ties: [gain(0.001, 0.002), effects],
        dare: [gain(-0.001, 0.002), effects],
        tsv: [gain(-0.002, -0.001), effects],
        isotropic: [{ ...richest, null: { count: 20, meanR: 0.5, r95: 0.65 } }, effects],
        weight_avg: [untold, effects],
        task_arithmetic: [effects],
      }),
    );
    expect(lines.slice(lines.lastIndexOf('') + 1)).toEqual([
      'Beside effects the metrics help: ties, isotropic, weight_avg.',
      'Beside effects the metrics make no difference: dare.',
      'Beside effects the metrics do harm: tsv.',
      'There are no metrics, only effects: task_arithmetic.',
      'Metrics alone say no more than metrics of the wrong tasks do (no signal in them): isotropic.',
      'Whether metrics alone say more than metrics of the wrong tasks was not tried: weight_avg.',
    ]);
  });
});
