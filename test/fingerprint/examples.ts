import { type Example, fitLinear, predictLinear } from '../../src/fingerprint/linear-model.js';
import { solveProgram } from '../../src/fingerprint/solve.js';
import { Random } from '../../src/tensors/random.js';
import { syntheticTable } from './synthetic.js';

export const NAMES = ['signal', 'drag', 'noise'];

/** The pairs of the synthetic table with the features NAMES, the outcomes of `ties`, and more noise in them. */
export function syntheticExamples(noise = 0.01, seed = 1): Example[] {
  return syntheticTable(noise, seed).map(({ taskA, taskB, metrics, outcomes }, id) => ({
    id,
    taskA,
    taskB,
    checkpoint: null,
    values: NAMES.map((name) => metrics[name] as number),
    outcome: outcomes.ties as number,
  }));
}

/** The same pairs, each in one of both orders or in both. */
export function directedExamples(seed = 1): Example[] {
  const random = new Random('directed', seed);
  const turned = syntheticExamples(0.01, seed).flatMap((example) => {
    const values = example.values.map((value) => value + 0.1 * random.normal());
    const other = { ...example, taskA: example.taskB, taskB: example.taskA, values };
    return [[example], [other], [example, other]][random.integer(3)];
  });
  return turned.map((example, id) => ({ ...example, id }));
}

/** Rows with none of the tasks, by hand. */
export function rowsWithout(examples: readonly Example[], tasks: readonly string[]): Example[] {
  return examples.filter((example) => ![example.taskA, example.taskB].some((task) => tasks.includes(task)));
}

/** Fits one program, with nothing between, and gives the predictor. */
export async function fitAndPredict(
  train: readonly Example[],
  { penalty, withEffects }: { penalty: number; withEffects: boolean },
): Promise<(example: Example) => number> {
  const options = { label: 'test', features: NAMES, withEffects, penalty };
  const model = await fitLinear(train, { ...options, solve: async (program) => solveProgram(program) });
  return (example) => predictLinear(model, NAMES, example);
}
