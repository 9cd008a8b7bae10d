import { describe, expect, it } from 'vitest';
import type { PredictorOf } from '../../src/fingerprint/cross-validate.js';
import type { Example } from '../../src/fingerprint/linear-model.js';
import { Random } from '../../src/tensors/index.js';
import { stackOf } from '../bench/zoo/stack.js';

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

describe('stackOf', () => {
  it('finds the shares whose errors cancel, in fifths', async () => {
    // 0.6 (o + 1) + 0.4 (o - 1.5) = o
    const predict = await stackOf([saying(0), saying(1), saying(2)])(examples, []);
    for (const example of examples) {
      expect(predict(example)).toBeCloseTo(example.outcome, 12);
    }
  });

  it('gives all to the first of parts that are alike, and is that part where there is one only', async () => {
    const same = await stackOf([saying(0), saying(0)])(examples, []);
    const alone = await stackOf([saying(2)])(examples, []);
    for (const example of examples) {
      expect(same(example)).toBe(example.values[0]);
      expect(alone(example)).toBe(example.values[2]);
    }
  });

  it('leaves out a task inside the rows, beside those that are left out already', async () => {
    const left: string[][] = [];
    const train = examples.filter(({ taskA, taskB }) => taskA !== 'c' && taskB !== 'c');
    const note = (rows: readonly Example[], without: readonly string[]) => {
      left.push([...without]);
      for (const { taskA, taskB } of rows) {
        expect(without).not.toContain(taskA);
        expect(without).not.toContain(taskB);
      }
    };
    await stackOf([saying(0, note), saying(1)])(train, ['c']);
    expect(left.sort()).toEqual([['c'], ['c', 'a'], ['c', 'b'], ['c', 'd'], ['c', 'e'], ['c', 'f']]);
  });
});
