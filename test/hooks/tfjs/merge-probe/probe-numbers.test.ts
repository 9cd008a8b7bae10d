import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { probeNumbers, type TaskAnswers } from '../../../../hooks/tfjs/merge-probe/probe-numbers.js';
import { Random } from '../../../../src/tensors/index.js';

/**
 * Answers on `count` samples: the own model is right with probability `own`; where it is, the merged one with `kept`, where it is not,
 * with `gained`.
 */
function answers(random: Random, count: number, { own = 0.9, kept = 0.9, gained = 0.2 } = {}): TaskAnswers {
  const draw = (probability: number) => (random.uniform(0, 1) < probability ? 1 : 0);
  const ownCorrect = Uint8Array.from({ length: count }, () => draw(own));
  const correct = ownCorrect.map((right) => draw(right === 1 ? kept : gained));
  const losses = () => Float32Array.from({ length: count }, () => random.uniform(0, 2));
  return { merged: { correct, losses: losses() }, own: { correct: ownCorrect, losses: losses() } };
}

/** As many samples drawn again from those that there are. */
function drawnAgain({ merged, own }: TaskAnswers, random: Random): TaskAnswers {
  const { length } = merged.correct;
  const places = Array.from({ length }, () => random.integer(length));
  const at = <Values extends Uint8Array | Float32Array>(values: Values) =>
    values.map((_, i) => values[places[i]]) as Values;
  return {
    merged: { correct: at(merged.correct), losses: at(merged.losses) },
    own: { correct: at(own.correct), losses: at(own.losses) },
  };
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

describe('the numbers of a merge probe', () => {
  it.each([
    { own: 0.9, kept: 0.95, gained: 0.1 },
    { own: 0.7, kept: 0.6, gained: 0.3 },
    { own: 0.95, kept: 1, gained: 0.6 },
  ])('have the standard errors of a bootstrap over the same samples: %o', (rates) => {
    const random = new Random('bootstrap', rates.own);
    const live = answers(random, 120, rates);
    const reference = answers(random, 90, rates);
    const found = probeNumbers(live, reference);
    const again = Array.from({ length: 4000 }, () =>
      probeNumbers(drawnAgain(live, random), drawnAgain(reference, random)),
    );
    const errorOf = (name: 'accuracy' | 'normalised' | 'loss') =>
      deviation(again.map((numbers) => numbers[name] as number));
    const close = (error: number, expected: number) =>
      expect(Math.abs(error / expected - 1)).toBeLessThan(0.06);
    close(found.standardError, errorOf('accuracy'));
    close(found.normalisedStandardError!, errorOf('normalised'));
    close(found.lossStandardError, errorOf('loss'));
  });

  it('know the normalised accuracy better than two accuracies that have nothing to do with each other', () => {
    const random = new Random('paired');
    const live = answers(random, 128);
    const reference = answers(random, 128);
    const unpaired = ({ merged, own }: TaskAnswers): TaskAnswers => ({
      merged: { ...merged, correct: merged.correct.map((_, i) => merged.correct[(i + 37) % 128]) },
      own,
    });
    const paired = probeNumbers(live, reference);
    const other = probeNumbers(unpaired(live), unpaired(reference));
    expect(other.normalised).toBe(paired.normalised);
    expect(paired.normalisedStandardError!).toBeLessThan(0.8 * other.normalisedStandardError!);
  });

  it('are null where an own model is never right, and zero where nothing differs', () => {
    const random = new Random('edges');
    const task = answers(random, 20);
    const never = { ...task, own: { ...task.own, correct: new Uint8Array(20) } };
    expect(probeNumbers(task, never)).toMatchObject({ normalised: null, normalisedStandardError: null });
    const same = { merged: task.own, own: task.own };
    expect(probeNumbers(same, same)).toMatchObject({ normalised: 1, normalisedStandardError: 0 });
    const single = answers(random, 1, { own: 1 });
    expect(probeNumbers(single, single)).toMatchObject({
      standardError: 0,
      lossStandardError: 0,
      samples: 2,
    });
  });

  it('say nothing of the loss of an own model that diverged', () => {
    const task = answers(new Random('diverged'), 20);
    const diverged = { ...task, own: { ...task.own, losses: task.own.losses.fill(Number.NaN) } };
    const { tasks, loss } = probeNumbers(task, diverged);
    expect(tasks.reference.ownLoss).toBeNull();
    expect(loss).toBeGreaterThan(0);
  });

  it('do not care for the order of the samples, or of the tasks', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.integer(), (count, seed) => {
        const random = new Random('order', seed);
        const [live, reference] = [answers(random, count), answers(random, count + 3)];
        const { tasks, ...numbers } = probeNumbers(live, reference);
        const turned = probeNumbers(reference, live);
        expect(turned.tasks).toEqual({ live: tasks.reference, reference: tasks.live });
        for (const [name, value] of Object.entries(numbers)) {
          const other = turned[name as keyof typeof numbers];
          expect(value === null ? other === null : Math.abs((other as number) - value) < 1e-12).toBe(true);
        }
      }),
      { seed: 3, numRuns: 50 },
    );
  });
});
