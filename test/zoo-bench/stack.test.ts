import { describe, expect, it } from 'vitest';
import type { PredictorOf } from '../../src/fingerprint/cross-validate.js';
import type { Example } from '../../src/fingerprint/linear-model.js';
import { Random } from '../../src/tensors/index.js';
import { stackShares } from '../bench/zoo/stack.js';

/** Every pair of six tasks; values are what two predictors will say. */
const random = new Random('stack');
const tasks = ['a', 'b', 'c', 'd', 'e', 'f'];
const examples = tasks.flatMap((taskA, i) =>
  tasks.slice(i + 1).map((taskB, j): Example => {
    const outcome = random.normal();
    const values = [outcome + 1, outcome - 1.5, random.normal()];
    return { id: 10 * i + j, taskA, taskB, checkpoint: null, values, outcome };
  }),
);

/** Says one of the values, and notes which rows it was given. */
const saying =
  (
    column: number,
    seen: (train: readonly Example[], without: readonly string[]) => void = () => {},
  ): PredictorOf =>
  async (train, without) => {
    seen(train, without);
    return ({ values }) => values[column]!;
  };

describe('stackShares', () => {
  it('finds the shares whose errors cancel, in fifths', async () => {
    // 0.6 (o + 1) + 0.4 (o - 1.5) = o
    const parts = [saying(0), saying(1), saying(2)];
    expect(await stackShares([{ train: examples, parts }], [])).toEqual([0.6, 0.4, 0]);
  });

  it('gives all to the first of parts that are alike, and to one that is alone', async () => {
    expect(await stackShares([{ train: examples, parts: [saying(0), saying(0)] }], [])).toEqual([1, 0]);
    expect(await stackShares([{ train: examples, parts: [saying(2)] }], [])).toEqual([1]);
  });

  it('takes those that are best for all methods together', async () => {
    const off = (by: number) => examples.map((each) => ({ ...each, outcome: each.values[2] + by }));
    const parts = [saying(0), saying(1), saying(2)];
    // alone this method would have the third part only
    const other = { train: off(0), parts };
    expect(await stackShares([other], [])).toEqual([0, 0, 1]);
    expect(await stackShares([other, ...Array(5).fill({ train: examples, parts })], [])).toEqual([
      0.6, 0.4, 0,
    ]);
  });

  it('leaves out a task inside the rows of every method, beside those that are left out already', async () => {
    const left: string[][] = [];
    const train = examples.filter(({ taskA, taskB }) => taskA !== 'c' && taskB !== 'c');
    const note = (rows: readonly Example[], without: readonly string[]) => {
      left.push([...without]);
      for (const { taskA, taskB } of rows) {
        expect(without).not.toContain(taskA);
        expect(without).not.toContain(taskB);
      }
    };
    const method = { train, parts: [saying(0, note), saying(1)] };
    await stackShares([method, method], ['c']);
    const each = ['a', 'b', 'd', 'e', 'f'].flatMap((task) => [`c,${task}`, `c,${task}`]);
    expect(left.map(String).sort()).toEqual(each);
  });
});
