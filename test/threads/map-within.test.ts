import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapWithin } from '../../src/threads/index.js';

interface Item {
  weight: number;
  /** turns of the event loop that it takes */
  turns: number;
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const items = fc.array(fc.record({ weight: fc.integer({ min: 0, max: 12 }), turns: fc.nat(4) }), {
  maxLength: 20,
});
const weight = (item: Item) => item.weight;

describe('mapWithin', () => {
  it('gives results in order, begins items in order, and stays within the budget', async () => {
    await fc.assert(
      fc.asyncProperty(items, async (list) => {
        const begun: number[] = [];
        const running = new Set<number>();
        const results = await mapWithin(list, { budget: 10, weight }, async ({ turns }, index) => {
          begun.push(index);
          running.add(index);
          const load = [...running].reduce((sum, i) => sum + list[i]!.weight, 0);
          const others = [...running].filter((i) => list[i]!.weight > 0);
          expect(load <= 10 || others.length === 1, `load ${load} of ${others.length}`).toBe(true);
          for (let i = 0; i < turns; i++) {
            await turn();
          }
          running.delete(index);
          return `result ${index}`;
        });
        expect(results).toEqual(list.map((_, index) => `result ${index}`));
        expect(begun).toEqual(list.map((_, index) => index));
      }),
      { seed: 17, numRuns: 60 },
    );
  });

  it('works on as many at a time as fit', async () => {
    let most = 0;
    let running = 0;
    await mapWithin(Array(9).fill(2), { budget: 6, weight: (item) => item }, async () => {
      running += 1;
      most = Math.max(most, running);
      await turn();
      running -= 1;
    });
    expect(most).toBe(3);
  });

  it('works on one that is too heavy alone', async () => {
    const running = new Set<number>();
    const seen: number[][] = [];
    await mapWithin([1, 20, 1, 1], { budget: 6, weight: (item) => item }, async (_, index) => {
      running.add(index);
      await turn();
      seen.push([...running]);
      running.delete(index);
    });
    expect(seen).toEqual([[0], [1], [2, 3], [3]]);
  });

  it('waits for what runs when one fails, begins nothing more, and throws the first error', async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    const work = mapWithin([2, 1, 3, 1, 1], { budget: 3, weight: () => 1 }, async (turns, index) => {
      begun.push(index);
      for (let i = 0; i < turns; i++) {
        await turn();
      }
      ended.push(index);
      if (index === 1 || index === 2) {
        throw new Error(`item ${index} broke`);
      }
    });
    await expect(work).rejects.toThrow('item 1 broke');
    expect(begun).toEqual([0, 1, 2]);
    expect(ended).toEqual([1, 0, 2]);
  });

  it('has nothing to do for no items', async () => {
    expect(
      await mapWithin([], { budget: 1, weight: () => 1 }, () => Promise.reject(new Error('no'))),
    ).toEqual([]);
  });
});
