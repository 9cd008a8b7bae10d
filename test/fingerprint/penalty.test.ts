import { describe, expect, it } from 'vitest';
import type { Example } from '../../src/fingerprint/linear-model.js';
import {
  METRICS_ONLY_GRID,
  nestedPenalties,
  nestedPenaltyFits,
  type PenalisedPredictorOf,
  type PenaltyGrid,
  WITH_EFFECTS_GRID,
} from '../../src/fingerprint/penalty.js';
import { Random } from '../../src/tensors/random.js';
import { directedExamples, fitAndPredict, rowsWithout, syntheticExamples } from './examples.js';
import { TASKS } from './synthetic.js';

const grid: PenaltyGrid = { tried: [0.001, 0.01, 0.1, 1], default: 0.02 };

const fitted =
  (withEffects: boolean): PenalisedPredictorOf =>
  (penalty) =>
  (train) =>
    fitAndPredict(train, { penalty, withEffects });

/** Predicts what comes out, but for a disturbance whose size depends on the penalty and a level for every fit. */
const disturbed =
  (sizeOf: (penalty: number) => number): PenalisedPredictorOf =>
  (penalty) =>
  async (_, without) => {
    const random = new Random('disturbed', penalty, ...without);
    const level = 100 * random.normal();
    return ({ outcome }) => outcome + level + sizeOf(penalty) * random.normal();
  };

describe('the penalty', () => {
  it('is the one that ranks best inside tasks that were left out, whatever the level of its predictions', async () => {
    const examples = syntheticExamples();
    for (const best of grid.tried) {
      const predictor = disturbed((penalty) => (penalty === best ? 0.001 : 0.2));
      const penalties = await nestedPenalties(examples, false, grid, predictor);
      expect([penalties.all, ...TASKS.map((task) => penalties.of(task))]).toEqual(new Array(8).fill(best));
    }
  });

  it('is the larger one of equals, and the default where nothing can be judged', async () => {
    const examples = syntheticExamples();
    const same = await nestedPenalties(examples, false, grid, () => async () => (row) => row.values[0]);
    expect([same.all, ...TASKS.map((task) => same.of(task))]).toEqual(new Array(8).fill(1));
    const constant = await nestedPenalties(examples, false, grid, () => async () => () => 0.9);
    expect([constant.all, constant.of('ant'), constant.of('of no fold')]).toEqual([0.02, 0.02, 0.02]);
  });

  it.each([
    ['undirected', false],
    ['directed', true],
  ])('of a fold never sees the rows of the fold (%s)', async (_, directed) => {
    const examples = directed ? directedExamples() : syntheticExamples(0.02);
    const before = await nestedPenalties(examples, directed, METRICS_ONLY_GRID, fitted(false));
    const random = new Random('other outcomes');
    const choices = new Set([before.all]);
    for (const fold of TASKS) {
      const touched = ({ taskA, taskB }: Example) => taskA === fold || taskB === fold;
      const changed = examples.map((example) =>
        touched(example)
          ? { ...example, outcome: random.uniform(), values: example.values.map(() => random.normal()) }
          : example,
      );
      const after = await nestedPenalties(changed, directed, METRICS_ONLY_GRID, fitted(false));
      expect(after.of(fold), fold).toBe(before.of(fold));
      choices.add(after.all).add(before.of(fold));
    }
    // or it would say nothing that they stay the same
    expect(choices.size).toBeGreaterThan(1);
  });

  it.each([
    ['undirected', false],
    ['directed', true],
  ])(
    'fits on exactly the rows without the tasks that it says, as often as it says (%s)',
    async (_, directed) => {
      const examples = directed ? directedExamples() : syntheticExamples();
      let fits = 0;
      await nestedPenalties(examples, directed, grid, () => async (train, without) => {
        fits++;
        expect(train).toEqual(rowsWithout(examples, without));
        expect(new Set(without).size).toBe(without.length);
        return () => 0;
      });
      expect(fits).toBe(nestedPenaltyFits(examples, directed, grid));
      // five groups, of the seven tasks and of the six that every fold leaves, four penalties
      expect(fits).toBe((1 + TASKS.length) * 5 * 4);
    },
  );

  it('is chosen in tables that are small or have one task in every row', async () => {
    const examples = syntheticExamples();
    const pair = examples.slice(0, 1);
    const triangle = rowsWithout(examples, ['dog', 'eel', 'fox', 'gnu']);
    const star = examples.filter(({ taskA }) => taskA === 'ant');
    for (const few of [pair, triangle, star]) {
      let fits = 0;
      const predictor: PenalisedPredictorOf = (penalty) => async (train) => {
        fits++;
        expect(train.length).toBeGreaterThan(0);
        return fitAndPredict(train, { penalty, withEffects: true });
      };
      const penalties = await nestedPenalties(few, false, WITH_EFFECTS_GRID, predictor);
      expect(WITH_EFFECTS_GRID.tried).toContain(penalties.all);
      expect(WITH_EFFECTS_GRID.tried).toContain(penalties.of('ant'));
      expect(fits).toBe(nestedPenaltyFits(few, false, WITH_EFFECTS_GRID));
    }
  });
});
