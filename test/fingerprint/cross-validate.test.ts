import { describe, expect, it } from 'vitest';
import {
  absoluteResiduals,
  foldsOf,
  leaveOneTaskOut,
  nestedCoverage,
  nestedFits,
  type PredictorOf,
} from '../../src/fingerprint/cross-validate.js';
import type { Example } from '../../src/fingerprint/linear-model.js';
import { directedExamples, fitAndPredict, rowsWithout, syntheticExamples } from './examples.js';
import { TASKS } from './synthetic.js';

const options = { penalty: 0.02, withEffects: true };
const predictorOf: PredictorOf = (train) => fitAndPredict(train, options);

const heldOutRows = (examples: readonly Example[], directed: boolean, task: string) =>
  examples.filter(({ taskA, taskB }) => taskA === task || (!directed && taskB === task));

/** Every held-out row's error, slowly: one fit a task. */
async function errorsOf(examples: readonly Example[], directed: boolean, tasks: readonly string[]) {
  const errors: number[] = [];
  for (const task of tasks) {
    const predict = await fitAndPredict(rowsWithout(examples, [task]), options);
    for (const row of heldOutRows(examples, directed, task)) {
      errors.push(Math.abs(predict(row) - row.outcome));
    }
  }
  return errors;
}

/** The share of rows inside the interval that the other tasks give, slowly: one fit a pair of tasks. */
async function slowCoverage(examples: readonly Example[], directed: boolean, level: number) {
  const tasks = TASKS.filter((task) => heldOutRows(examples, directed, task).length > 0);
  let inside = 0;
  let rows = 0;
  for (const task of tasks) {
    const others = rowsWithout(examples, [task]);
    const inner = tasks.filter(
      (other) => heldOutRows(others, directed, other).length > 0 && rowsWithout(others, [other]).length > 0,
    );
    const errors = (await errorsOf(others, directed, inner)).sort((a, b) => a - b);
    const half = errors[Math.min(errors.length, Math.ceil((errors.length + 1) * level)) - 1];
    for (const error of await errorsOf(examples, directed, [task])) {
      rows++;
      inside += error <= half ? 1 : 0;
    }
  }
  return inside / rows;
}

// without one of the two, the other is in every pair
const twoHubs = syntheticExamples().filter(
  ({ taskA, taskB }) => (taskA === 'ant' || taskA === 'bee') && taskB !== 'bee',
);

describe.each([
  ['an undirected table', syntheticExamples(), false],
  ['a directed table', directedExamples(), true],
  ['a table in which two tasks are in every pair', twoHubs, false],
])('leaving one task out of %s', (_, examples, directed) => {
  it('predicts every row of a task from the rows without it', async () => {
    const seen: string[] = [];
    const heldOut = await leaveOneTaskOut(examples, directed, async (train, without) => {
      expect(train).toEqual(rowsWithout(examples, without));
      seen.push(...without);
      return fitAndPredict(train, options);
    });
    expect(seen.sort()).toEqual(TASKS);
    const expected = await errorsOf(examples, directed, foldsOf(examples, directed));
    expect(absoluteResiduals(heldOut)).toEqual(expected);
    for (const { fold, example } of heldOut) {
      expect(directed ? [example.taskA] : [example.taskA, example.taskB]).toContain(fold);
    }
    expect(heldOut).toHaveLength(directed ? examples.length : 2 * examples.length);
  });

  it.each([0.5, 0.8, 0.95])(
    'covers at level %d what one fit for each pair of tasks covers',
    async (level) => {
      const heldOut = await leaveOneTaskOut(examples, directed, predictorOf);
      let fits = 0;
      const coverage = await nestedCoverage(heldOut, examples, directed, level, (train, without) => {
        fits++;
        expect(train).toEqual(rowsWithout(examples, without));
        return fitAndPredict(train, options);
      });
      expect(coverage).toBe(await slowCoverage(examples, directed, level));
      expect(fits).toBe(nestedFits(examples, directed));
    },
  );
});

describe('the coverage', () => {
  it('is what the level says, on the mean over tables', async () => {
    let sum = 0;
    for (let seed = 0; seed < 12; seed++) {
      const examples = syntheticExamples(0.01, seed);
      const heldOut = await leaveOneTaskOut(examples, false, predictorOf);
      sum += (await nestedCoverage(heldOut, examples, false, 0.8, predictorOf)) as number;
    }
    expect(Math.abs(sum / 12 - 0.8)).toBeLessThan(0.1);
  });

  it('is not known where no task can be left out of the rest', async () => {
    const pair = syntheticExamples().slice(0, 1);
    const heldOut = [{ fold: 'ant', example: pair[0], predicted: 0.9 }];
    expect(await nestedCoverage(heldOut, pair, false, 0.8, predictorOf)).toBeNull();
    expect(nestedFits(pair, false)).toBe(0);
  });
});
