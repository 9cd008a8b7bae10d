import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Residence } from '../../../../hooks/tfjs/reference-memory/residence.js';

const sizes = (count: number, size = 100) => new Array<number>(count).fill(size);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe('where references lie', () => {
  it('all on the device where all fit exactly, and every tick compares all', () => {
    const residence = new Residence([100, 50, 200], 350);
    expect(residence.residents).toEqual([0, 1, 2]);
    expect([residence.next(), residence.next()]).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
    expect(residence.all()).toEqual([[0, 1, 2]]);
    expect([residence.period, residence.most]).toEqual([1, 3]);
  });

  it('else an eighth of the budget is left for the others, which take turns', () => {
    const residence = new Residence(sizes(6), 400);
    expect(residence.residents).toEqual([0, 1, 2]);
    expect([1, 2, 3, 4].map(() => residence.next())).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 4],
      [0, 1, 2, 5],
      [0, 1, 2, 3],
    ]);
    expect(residence.all()).toEqual([[0, 1, 2, 4], [5], [3]]);
    expect([residence.period, residence.most]).toEqual([3, 4]);
  });

  it('as many take their turn together as fit the eighth', () => {
    const residence = new Residence(sizes(20), 1650);
    expect(residence.residents).toHaveLength(14);
    expect(residence.next().slice(14)).toEqual([14, 15]);
    expect(residence.next().slice(14)).toEqual([16, 17]);
    expect(residence.period).toBe(3);
  });

  it('with no room at all, one after the other', () => {
    const residence = new Residence(sizes(3), 0);
    expect(residence.residents).toEqual([]);
    expect([1, 2, 3, 4].map(() => residence.next())).toEqual([[0], [1], [2], [0]]);
    expect(residence.all()).toEqual([[1], [2], [0]]);
  });

  it('without references there is one empty part', () => {
    const residence = new Residence([], 0);
    expect([residence.next(), residence.all(), residence.period]).toEqual([[], [[]], 1]);
  });
});

describe('whose score is lowest', () => {
  const three = () => new Residence(sizes(5), 400);

  it('comes to lie on the device, in the place of the one with the highest: one at a time', () => {
    const residence = three();
    residence.score([0.9, 0.8, 0.95, 0.5, 0.6]);
    expect(residence.residents).toEqual([0, 1, 3]);
    residence.score([0.9, 0.8, 0.95, 0.5, 0.6]);
    expect(residence.residents).toEqual([1, 3, 4]);
    residence.score([0.9, 0.8, 0.95, 0.5, 0.6]);
    expect(residence.residents).toEqual([1, 3, 4]);
  });

  it('stays where it is for a difference that is next to none', () => {
    const residence = three();
    residence.score([0.9, 0.9, 0.9, 0.885, 0.9]);
    expect(residence.residents).toEqual([0, 1, 2]);
    residence.score([0.9, 0.9, 0.9, 0.875, 0.9]);
    expect(residence.residents).toEqual([0, 1, 3]);
  });

  it('is remembered where a tick has none, and who never had one neither comes nor goes', () => {
    const residence = three();
    residence.score([0.9, null, null, null, null]);
    residence.score([null, null, null, null, 0.5]);
    expect(residence.residents).toEqual([1, 2, 4]);
  });

  it('does not come where it does not fit', () => {
    const residence = new Residence([100, 100, 250], 300);
    residence.score([0.9, 0.9, 0.1]);
    expect(residence.residents).toEqual([0, 1]);
  });
});

describe('without the memory that was hoped for', () => {
  it('half of those on the device stay, those at risk, then none; then nothing is left to give back', () => {
    const residence = new Residence(sizes(4), 400);
    residence.score([0.9, 0.7, 0.8, 0.6]);
    expect(residence.retreat()).toBe(true);
    expect(residence.residents).toEqual([1, 3]);
    expect([residence.next(), residence.next()]).toEqual([
      [1, 2, 3],
      [0, 1, 3],
    ]);
    expect(residence.retreat()).toBe(true);
    expect(residence.residents).toEqual([3]);
    expect(residence.retreat()).toBe(true);
    expect([residence.residents, residence.most, residence.period]).toEqual([[], 1, 4]);
    expect(residence.retreat()).toBe(false);
  });

  it('scores do not bring back more than was left', () => {
    const residence = new Residence([100, 200, 100], 400);
    residence.retreat();
    expect(residence.residents).toEqual([0]);
    residence.score([0.9, 0.1, 0.8]);
    expect(residence.residents).toEqual([2]);
  });
});

describe('whatever happens', () => {
  it('every reference is compared within the time that is told, and no more lies there than may', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 0, max: 900 }),
        fc.nat(3),
        fc.array(
          fc.array(fc.option(fc.double({ min: 0, max: 1, noNaN: true })), { minLength: 8, maxLength: 8 }),
          {
            maxLength: 5,
          },
        ),
        (given, budget, retreats, scores) => {
          const residence = new Residence(given, budget);
          for (let i = 0; i < retreats; i++) {
            residence.retreat();
          }
          for (const row of scores) {
            residence.next();
            residence.score(row.slice(0, given.length));
          }
          const every = [...given.keys()];
          expect(sum(residence.residents.map((r) => given[r]))).toBeLessThanOrEqual(budget);
          expect(
            residence
              .all()
              .flat()
              .sort((a, b) => a - b),
          ).toEqual(every);
          const seen = new Set<number>();
          // Turns are cut anew each time: with references of several sizes a round may take one more.
          for (let tick = 0; tick <= residence.period; tick++) {
            for (const r of residence.next()) {
              seen.add(r);
            }
          }
          expect([...seen].sort((a, b) => a - b)).toEqual(every);
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });
});
