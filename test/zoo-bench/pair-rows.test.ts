import { describe, expect, it } from 'vitest';
import { MEASUREMENTS, pairRows } from '../bench/zoo/pair-rows.js';
import type { PartsEvaluated, ZooTable } from '../bench/zoo/zoo-table.js';

function parts(test: number, calibration: number, loss: number): PartsEvaluated {
  const at = { accuracy: calibration, loss, samples: 8 };
  return { test: { accuracy: test, loss: 9, samples: 100 }, calibration: { 8: at, 32: at, 128: at } };
}

const table: ZooTable = {
  seed: 0,
  tasks: ['a', 'b'],
  methods: ['ties', 'tsv'],
  own: { a: parts(0.8, 1, 0.1), b: parts(1, 0.5, 0.2) },
  half: { a: parts(0, 0.9, 0.1), b: parts(0, 0.5, 0.5) },
  pairs: [
    {
      a: 'a',
      b: 'b',
      metrics: { effective_rank: 3 },
      merges: {
        ties: { a: parts(0.6, 0.75, 0.8), b: parts(0.85, 0.5, 0.2) },
        tsv: { a: parts(0.1, 0.5, 0.1), b: parts(0.1, 0.25, 1.2) },
      },
    },
  ],
};

describe('a pair', () => {
  it('has the mean over both sides of what the merge keeps, and of every measurement', () => {
    const [{ taskA, taskB, outcomes, metrics }] = pairRows(table, 'ties');
    expect([taskA, taskB]).toEqual(['a', 'b']);
    expect(outcomes.ties).toBeCloseTo((0.75 + 0.85) / 2, 12);
    expect(metrics.effective_rank).toBe(3);
    for (const size of ['8', '32', '128']) {
      expect(metrics[`probe${size} accuracy`]).toBeCloseTo((0.75 + 1) / 2, 12);
      expect(metrics[`probe${size} loss`]).toBeCloseTo((-0.7 / 1 + 0) / 2, 12);
      expect(metrics[`probes${size} accuracy`]).toBeCloseTo((0.75 + 1 + 0.5 + 0.5) / 4, 12);
      expect(metrics[`probes${size} loss`]).toBeCloseTo((-0.7 + 0 + 0 - 1 / 0.5) / 4, 12);
      expect(metrics[`selfProbe${size} accuracy`]).toBeCloseTo((0.9 + 1) / 2, 12);
      expect(metrics[`selfProbe${size} loss`]).toBeCloseTo((0 - 0.3 / 0.5) / 2, 12);
    }
    expect(Object.keys(metrics).sort()).toEqual(['effective_rank', ...MEASUREMENTS].sort());
  });

  it('lacks what a model that is never right can not be measured by', () => {
    const [{ outcomes, metrics }] = pairRows(
      { ...table, own: { ...table.own, a: parts(0, 0, 0.1) } },
      'ties',
    );
    expect(outcomes.ties).toBeNull();
    expect(metrics['probe8 accuracy']).toBeNull();
    expect(metrics['probe8 loss']).toBeNull();
  });
});
