import { describe, expect, it } from 'vitest';
import { Random } from '../../src/tensors/index.js';
import { gapFigures } from '../bench/steer/gap.js';
import { METHODS, poolOf, TASKS } from './synthetic.js';

/** Accuracies that differ from task to task. */
const easeOf = (task: string) => 0.02 * TASKS.indexOf(task);

describe('gapFigures', () => {
  it('is known without doubt where every task gains the same', () => {
    const control = poolOf({ single: (task) => 0.8 + easeOf(task), merged: (task) => 0.7 + easeOf(task) });
    const steered = poolOf({ single: (task) => 0.79 + easeOf(task), merged: (task) => 0.73 + easeOf(task) });
    const { gapClosed, pairs, single, all } = gapFigures([{ steered, control }], METHODS, 200);
    for (const [figure, value] of [
      [gapClosed!, 0.3],
      [pairs, 0.03],
      [single, -0.01],
      [all, 0.03],
    ] as const) {
      expect(figure.value).toBeCloseTo(value, 10);
      expect(figure.low).toBeCloseTo(value, 10);
      expect(figure.high).toBeCloseTo(value, 10);
      expect(figure.spread).toBeNull();
    }
  });

  it('takes the mean of the methods that are asked for, and of both tasks of a pair', () => {
    const control = poolOf({ single: () => 0.9, merged: () => 0.7 });
    const merged = (_: string, method: string) => (method === 'ties' ? 0.8 : 0.7);
    const steered = poolOf({ single: () => 0.9, merged });
    const shareOf = (methods: string[]) => gapFigures([{ steered, control }], methods, 20).gapClosed!.value;
    expect(shareOf(['ties'])).toBeCloseTo(0.5, 10);
    expect(shareOf(['weight_avg'])).toBeCloseTo(0, 10);
    expect(shareOf(METHODS)).toBeCloseTo(0.25, 10);
  });

  it('weighs seeds by their gaps and tells their spread', () => {
    const control = (gap: number) => poolOf({ single: () => 0.9, merged: () => 0.9 - gap });
    const steered = (gap: number, gain: number) =>
      poolOf({ single: () => 0.9, merged: () => 0.9 - gap + gain });
    const seeds = [
      { control: control(0.1), steered: steered(0.1, 0.01) },
      { control: control(0.3), steered: steered(0.3, 0.15) },
    ];
    const { gapClosed } = gapFigures(seeds, METHODS, 50);
    expect(gapClosed!.value).toBeCloseTo(0.16 / 0.4, 10);
    // 10 % and 50 %
    expect(gapClosed!.spread).toBeCloseTo(Math.SQRT2 * 0.2, 10);
  });

  it('has no share where the control loses nothing by merging', () => {
    const control = poolOf({ single: () => 0.8, merged: () => 0.8 });
    const steered = poolOf({ single: () => 0.8, merged: () => 0.85 });
    const { gapClosed, pairs } = gapFigures([{ steered, control }], METHODS, 20);
    expect(gapClosed).toBeNull();
    expect(pairs.value).toBeCloseTo(0.05, 10);
  });

  it('does not call a gain certain that one task alone has', () => {
    const control = poolOf({ single: () => 0.9, merged: () => 0.7 });
    const steered = poolOf({ single: () => 0.9, merged: (task) => (task === 'ant' ? 0.85 : 0.7) });
    const { gapClosed } = gapFigures([{ steered, control }], METHODS, 500);
    expect(gapClosed!.value).toBeCloseTo(0.15 / TASKS.length / 0.2, 10);
    expect(gapClosed!.low).toBeLessThanOrEqual(0);
  });

  it('covers the true gain about as often as it says, where the tasks are drawn anew', () => {
    let covered = 0;
    const trials = 120;
    for (let trial = 0; trial < trials; trial++) {
      const random = new Random('gap coverage', trial);
      const gains = new Map(TASKS.map((task) => [task, 0.03 + 0.02 * random.normal()]));
      const control = poolOf({ single: () => 0.9, merged: () => 0.7 });
      const merged = (task: string) => 0.7 + gains.get(task)!;
      const { pairs } = gapFigures(
        [{ steered: poolOf({ single: () => 0.9, merged }), control }],
        METHODS,
        200,
      );
      covered += pairs.low <= 0.03 && pairs.high >= 0.03 ? 1 : 0;
    }
    expect(covered / trials).toBeGreaterThan(0.8);
    expect(covered / trials).toBeLessThan(0.98);
  });
});
