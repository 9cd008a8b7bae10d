import type { Highs } from 'highs';
import { beforeAll, describe, expect, it } from 'vitest';
import { foldsOf, rowsOf, without } from '../../src/fingerprint/cross-validate.js';
import { type Example, fitLinear, predictLinear } from '../../src/fingerprint/linear-model.js';
import type { Program } from '../../src/fingerprint/program.js';
import { solveProgram } from '../../src/fingerprint/solve.js';
import { correlation } from '../../src/fingerprint/statistics.js';
import { highsObjective, loadHighs } from './highs.js';
import { publishedMetrics, publishedMissing, publishedRows } from './published.js';

function examplesOf(table: string, method: string): Example[] {
  return publishedRows(table)
    .filter((row) => row.outcomes[method] !== null)
    .map(({ taskA, taskB, metrics, outcomes }, id) => ({
      id,
      taskA,
      taskB,
      checkpoint: null,
      values: publishedMetrics.map((name) => metrics[name] as number),
      outcome: outcomes[method] as number,
    }));
}

describe.skipIf(publishedMissing)('programs of the published tables (they are in ../shared)', () => {
  let highs: Highs;
  beforeAll(async () => {
    highs = await loadHighs();
  });

  async function expectOptimal(
    examples: readonly Example[],
    penalty: number,
    withEffects: boolean,
    label: string,
  ) {
    const solve = async (program: Program) => {
      const solution = solveProgram(program);
      expect(Math.abs(solution.objective - highsObjective(highs, program)), label).toBeLessThan(1e-6);
      return solution;
    };
    await fitLinear(examples, { label, features: publishedMetrics, withEffects, penalty, solve });
  }

  // Started from zero on all rows, the solver gave a wrong optimum, marked feasible, for these.
  it.each(['FashionMNIST', 'Cars'])('are solved right without %s, where they once were not', async (task) => {
    const examples = examplesOf('vit-b-16-adamw', 'ties');
    await expectOptimal(without(examples, [task]), 0.03, true, task);
  });

  it.each([
    ['vit-b-16-adamw', 'ties', true],
    ['vit-b-16-adamw', 'weight_avg', false],
    ['vit-b-32-adamw', 'tsv', true],
    ['vit-b-32-adamw', 'dare', false],
  ])(
    'of %s, %s (effects: %s) are solved right for several penalties and folds',
    async (table, method, effects) => {
      const examples = examplesOf(table, method);
      const folds = foldsOf(examples, false);
      for (const [i, penalty] of [0.0003, 0.003, 0.03, 0.3].entries()) {
        await expectOptimal(examples, penalty, effects, `${penalty}`);
        for (const fold of [folds[i], folds[i + 9]]) {
          await expectOptimal(without(examples, [fold]), penalty, effects, `${penalty}, without ${fold}`);
        }
      }
    },
  );

  it('give metrics alone the correlation inside a fold that SCIENCE says', async () => {
    const examples = examplesOf('vit-b-32-adamw', 'weight_avg');
    const options = { label: 'weight_avg', features: publishedMetrics, withEffects: false, penalty: 0.003 };
    const rs: number[] = [];
    for (const fold of ['Cars', 'DTD', 'EuroSAT', 'MNIST', 'GTSRB']) {
      const solve = async (program: Program) => solveProgram(program);
      const model = await fitLinear(without(examples, [fold]), { ...options, solve });
      const rows = rowsOf(examples, false, fold);
      const predicted = rows.map((row) => predictLinear(model, publishedMetrics, row));
      rs.push(
        correlation(
          predicted,
          rows.map(({ outcome }) => outcome),
        ) as number,
      );
    }
    // 0.67 over all 20 folds
    expect(rs.reduce((a, b) => a + b) / rs.length).toBeCloseTo(0.67, 1);
  });
});
