import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bestTried,
  COEFFICIENT_GRID,
  type MergeOutcome,
  type NoOutcome,
  searchCoefficient,
} from '../../src/merging/index.js';
import { MergeguardError } from '../../src/tensors/index.js';

const byAccuracy = (accuracy: number): MergeOutcome => ({ accuracy, loss: null });

/** With one minimum: a bowl with sides of their own steepness. */
const bowl =
  (bottom: number, left: number, right: number) =>
  (c: number): MergeOutcome => ({
    accuracy: 0,
    loss: c < bottom ? left * (bottom - c) : right * (c - bottom),
  });

const steepness = fc.double({ min: 0.01, max: 100, noNaN: true });

/** Searches, and says in which order. */
async function searched<Outcome extends MergeOutcome>(
  evaluate: (c: number) => Outcome | NoOutcome,
  options = {},
) {
  const order: number[] = [];
  const search = await searchCoefficient((c) => {
    order.push(c);
    return evaluate(c);
  }, options);
  return { ...search, order };
}

describe('searchCoefficient', () => {
  it('begins at 1, goes over the grid, then halves the gaps beside the best', async () => {
    const { order, best, plain, tried } = await searched((c) => byAccuracy(0.9 - (c - 1.1) ** 2));
    expect(order).toEqual([1, 0.6, 0.8, 1.25, 1.5, 0.9, 1.125, 1.0625, 1.1875]);
    expect([best.coefficient, plain.coefficient]).toEqual([1.125, 1]);
    expect(plain.outcome.accuracy).toBeCloseTo(0.89, 12);
    expect(tried.map(({ coefficient }) => coefficient)).toEqual(order.toSorted((a, b) => a - b));
  });

  it('goes on beyond an end of the grid, not for ever', async () => {
    const up = await searched((c) => ({ accuracy: 0, loss: -c }));
    expect(up.order.slice(5, 9)).toEqual([1.8, 2.16, 2.592, 3.1104]);
    expect([up.best.coefficient, up.order.length <= 13]).toEqual([3.1104, true]);
    const down = await searched((c) => ({ accuracy: 0, loss: c }));
    expect(down.best.coefficient).toBeGreaterThan(0);
    expect(down.best.coefficient).toBeLessThan(0.25);
  });

  it('finds the minimum of a function that has one, as near as the neighbours that it looked at', async () => {
    const bottoms = fc.double({ min: 0.25, max: 2.5, noNaN: true });
    await fc.assert(
      fc.asyncProperty(bottoms, steepness, steepness, async (bottom, left, right) => {
        const { best, tried, order } = await searched(bowl(bottom, left, right));
        const all = tried.map(({ coefficient }) => coefficient);
        const at = all.indexOf(best.coefficient);
        expect(all[at - 1] ?? 0).toBeLessThanOrEqual(bottom);
        expect(all[at + 1] ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(bottom);
        // a quarter of the grid's gap, or of the next one beyond
        expect(Math.abs(best.coefficient - bottom)).toBeLessThanOrEqual(0.0721 * Math.max(1, bottom));
        expect(order.length).toBeLessThanOrEqual(13);
      }),
      { seed: 6 },
    );
  });

  it('of any function takes the best of what it looked at, each once, and the same again', async () => {
    const noise = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 13, maxLength: 13 });
    await fc.assert(
      fc.asyncProperty(noise, fc.boolean(), async (values, hasLoss) => {
        const search = () => {
          let next = 0;
          return searched(() => {
            const value = values[next++]!;
            return hasLoss ? { accuracy: 1 - value, loss: value } : byAccuracy(value);
          });
        };
        const { best, plain, tried, order } = await search();
        const worth = ({ accuracy, loss }: MergeOutcome) => (loss === null ? accuracy : -loss);
        const found = tried.map(({ outcome }) => worth(outcome as MergeOutcome));
        expect(worth(best.outcome)).toBeCloseTo(Math.max(...found), 11);
        expect(worth(best.outcome)).toBeGreaterThanOrEqual(worth(plain.outcome) - 1e-12);
        expect(new Set(order).size).toBe(order.length);
        expect(order.length).toBeLessThanOrEqual(13);
        expect((await search()).order).toEqual(order);
      }),
      { seed: 6 },
    );
  });

  it('loses no more than twice the noise against the best that it looked at', async () => {
    const errors = fc.array(fc.double({ min: -0.01, max: 0.01, noNaN: true }), {
      minLength: 13,
      maxLength: 13,
    });
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0.7, max: 1.4, noNaN: true }), errors, async (top, noise) => {
        let next = 0;
        const truth = (c: number) => 0.9 - 0.5 * (c - top) ** 2;
        const { best, tried } = await searched((c) => byAccuracy(truth(c) + noise[next++]!));
        const most = Math.max(...tried.map(({ coefficient }) => truth(coefficient)));
        expect(most - truth(best.coefficient)).toBeLessThanOrEqual(0.02 + 1e-9);
      }),
      { seed: 6 },
    );
  });

  it('goes by the loss where there is one, and leaves what is equal nearest to 1', async () => {
    const disagreeing = await searched((c) => ({ accuracy: c / 10, loss: Math.abs(c - 0.8) }));
    expect(disagreeing.best.coefficient).toBe(0.8);
    expect((await searched(() => byAccuracy(0.5))).best.coefficient).toBe(1);
    // rounding in the last digit is no difference
    const means = await searched((c) => byAccuracy(c === 1 ? 0.3 : 0.1 + 0.2));
    expect(means.best.coefficient).toBe(1);
    const plateau = await searched((c) => byAccuracy(c < 1.1 ? 0.5 : 0.6));
    expect(plateau.best.coefficient).toBe(1.125);
  });

  it('chooses none without an outcome or with one that is no number, and goes on', async () => {
    const { best, tried } = await searched((c) =>
      c > 1.3 ? { failure: 'out of time' } : { accuracy: 0, loss: c > 1.2 ? Number.NaN : -c },
    );
    expect(best.coefficient).toBe(1.1875);
    expect(tried.find(({ coefficient }) => coefficient === 1.5)!.outcome).toEqual({ failure: 'out of time' });
  });

  it('takes a grid of one, and a grid without 1', async () => {
    expect((await searched(() => byAccuracy(0.5), { grid: [1] })).order).toEqual([1]);
    const { order } = await searched((c) => byAccuracy(c === 1 ? 1 : 0), { grid: [0.5, 2], refinements: 0 });
    expect(order).toEqual([1, 0.5, 2]);
  });

  it('is refused without an outcome at 1, without any number, and with a grid that is none', async () => {
    const refused = async (work: Promise<unknown>) => {
      const error = await work.then(
        () => null,
        (caught: unknown) => caught,
      );
      expect(error).toBeInstanceOf(MergeguardError);
      return (error as Error).message;
    };
    expect(await refused(searched(() => ({ failure: 'a: it printed nothing' })))).toBe(
      'the merge can not be evaluated: a: it printed nothing',
    );
    expect(await refused(searched(() => ({ accuracy: 0, loss: Number.NaN })))).toMatch(
      /^no coefficient can be chosen: .* NaN or infinite at all of 1, 0.6, 0.8, 1.25, 1.5$/,
    );
    const problems = await refused(searched(() => byAccuracy(0), { grid: [0, 1, -2, Number.NaN] }));
    expect(problems).toContain('above 0');
    expect(problems.match(/it has (0|-2|NaN)/g)).toHaveLength(3);
  });

  it('passes on what is thrown', async () => {
    const stop = new Error('stopped');
    const search = searchCoefficient((c) => {
      if (c !== 1) {
        throw stop;
      }
      return byAccuracy(1);
    });
    await expect(search).rejects.toBe(stop);
  });
});

describe('bestTried', () => {
  it('goes by the accuracy where one of them has no loss, and finds none among none', () => {
    const [one, two] = [
      { coefficient: 1, outcome: { accuracy: 0.5, loss: 0.1 } },
      { coefficient: 2, outcome: byAccuracy(0.6) },
    ];
    expect(bestTried([one, two])).toBe(two);
    expect(bestTried([])).toBe(null);
  });

  it('of two as far from 1 takes the smaller', () => {
    const at = (coefficient: number) => ({ coefficient, outcome: byAccuracy(0.5) });
    expect(bestTried([at(1.25), at(0.75)])).toEqual(at(0.75));
  });
});

it('the default grid is in order and holds 1', () => {
  expect(COEFFICIENT_GRID).toContain(1);
  expect(COEFFICIENT_GRID.toSorted((a, b) => a - b)).toEqual(COEFFICIENT_GRID);
});
