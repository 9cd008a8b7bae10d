import { describe, expect, it } from 'vitest';
import type { HeldOut } from '../../src/fingerprint/cross-validate.js';
import { Random } from '../../src/tensors/index.js';
import { bootstrapGain } from '../bench/zoo/gain.js';

const TASKS = ['ant', 'bee', 'cat', 'dog', 'eel', 'fox', 'gnu', 'hen'];

/** Every pair twice; `errorOf` is added to the outcome. */
function heldOut(errorOf: (fold: string, partner: string, outcome: number) => number): HeldOut[] {
  const random = new Random('gain test');
  const rows: HeldOut[] = [];
  let id = 0;
  for (const [i, taskA] of TASKS.entries()) {
    for (const taskB of TASKS.slice(i + 1)) {
      const outcome = random.uniform(0.7, 1);
      const example = { id: id++, taskA, taskB, checkpoint: null, values: [], outcome };
      for (const [fold, partner] of [
        [taskA, taskB],
        [taskB, taskA],
      ]) {
        rows.push({ fold, example, predicted: outcome + errorOf(fold, partner, outcome) });
      }
    }
  }
  return rows;
}

const gainOf = (before: HeldOut[], after: HeldOut[]) => bootstrapGain([{ before, after }], 500);

describe('the gain of one predictor on another', () => {
  it('is known without doubt where it is the same for every pair', () => {
    const gain = gainOf(
      heldOut(() => 0.02),
      heldOut(() => -0.005),
    );
    for (const value of Object.values(gain.mae)) {
      expect(value).toBeCloseTo(0.015, 12);
    }
    expect(gain.r?.value).toBeCloseTo(0, 12);
    expect([gain.better, gain.tasks]).toEqual([8, 8]);
  });

  it('is in doubt where a single task carries it', () => {
    const carried = gainOf(
      heldOut((fold, partner) => (fold === 'dog' || partner === 'dog' ? 0.08 : 0.01)),
      heldOut((fold, partner) => (fold === 'dog' || partner === 'dog' ? 0.01 : 0.02)),
    );
    // 14 of 56 predictions gain 7 points, the others lose 1
    expect(carried.mae.value).toBeCloseTo((14 * 0.07 - 42 * 0.01) / 56, 12);
    expect(carried.mae.low).toBeLessThan(-0.01);
    expect(carried.mae.high).toBeGreaterThan(carried.mae.value);
    expect(carried.better).toBe(8);
  });

  it('covers the true gain about as often as it says, where the tasks are drawn anew', () => {
    let inside = 0;
    for (let seed = 0; seed < 100; seed++) {
      const random = new Random('coverage', seed);
      const gains = new Map(TASKS.map((task) => [task, 0.01 + 0.01 * random.normal()]));
      const { mae } = gainOf(
        heldOut((fold, partner) => 0.1 + (gains.get(fold) as number) + (gains.get(partner) as number)),
        heldOut(() => 0.1),
      );
      inside += mae.low <= 0.02 && mae.high >= 0.02 ? 1 : 0;
    }
    // says 90; weights on folds alone hold in 51
    expect(inside).toBeGreaterThanOrEqual(82);
    expect(inside).toBeLessThanOrEqual(97);
  });

  it('counts what a predictor gains in ranking', () => {
    const gain = gainOf(
      heldOut((_, __, outcome) => 1.7 - 2 * outcome),
      heldOut(() => 0),
    );
    expect(gain.r?.value).toBeCloseTo(2, 12);
    expect(gain.r?.low).toBeCloseTo(2, 12);
  });

  it('is not known in ranking where one of them predicts a constant', () => {
    const constant = heldOut((_, __, outcome) => 0.8 - outcome);
    expect(
      gainOf(
        constant,
        heldOut(() => 0),
      ).r,
    ).toBeNull();
  });

  it('is the same for the same input, and takes all seeds together', () => {
    const before = heldOut((fold) => (fold < 'd' ? 0.03 : 0.01));
    const [one, other] = [heldOut(() => 0.02), heldOut(() => 0.01)];
    const both = bootstrapGain(
      [
        { before, after: one },
        { before, after: other },
      ],
      200,
    );
    expect(both.mae.value).toBeCloseTo(
      (gainOf(before, one).mae.value + gainOf(before, other).mae.value) / 2,
      12,
    );
    expect(gainOf(before, one)).toEqual(gainOf(before, one));
  });
});
