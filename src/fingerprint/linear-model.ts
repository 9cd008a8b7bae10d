import type { Program, Solution } from './program.js';
import { applyScaling, fitScaling, type Scaling } from './scaling.js';
import { deviation, mean } from './statistics.js';

/** One row of a fit: raw feature values, complete, and the outcome of one method. */
export interface Example {
  /** the row's place in the table */
  readonly id: number;
  readonly taskA: string;
  readonly taskB: string;
  readonly values: readonly number[];
  readonly outcome: number;
}

export interface FittedFeature extends Scaling {
  readonly name: string;
  /** change of the outcome (fraction) per scaled unit */
  readonly weight: number;
}

/** outcome = intercept + Σ weight * scaled value + effect of A + effect of B, all in units of the outcome. */
export interface LinearModel {
  readonly features: readonly FittedFeature[];
  /** columns that were constant over the rows */
  readonly constant: readonly string[];
  readonly intercept: number;
  /** by task, with mean zero over the tasks: a task that is not here has the mean effect, 0 */
  readonly effects: Readonly<Record<string, number>>;
}

export interface LinearOptions {
  readonly label: string;
  readonly features: readonly string[];
  readonly withEffects: boolean;
  readonly penalty: number;
  readonly solve: (program: Program) => Promise<Solution>;
}

/** Fits one linear program to standardised outcomes and brings the result back to their units. */
export async function fitLinear(examples: readonly Example[], options: LinearOptions): Promise<LinearModel> {
  const { label, penalty, withEffects, solve } = options;
  const constant: string[] = [];
  const kept: { name: string; column: number; scaling: Scaling }[] = [];
  options.features.forEach((name, column) => {
    const scaling = fitScaling(examples.map((example) => example.values[column]));
    if (scaling === null) {
      constant.push(name);
    } else {
      kept.push({ name, column, scaling });
    }
  });
  const tasks = withEffects ? [...new Set(examples.flatMap(({ taskA, taskB }) => [taskA, taskB]))] : [];
  const index = new Map(tasks.map((task, t) => [task, t]));
  const outcomes = examples.map((example) => example.outcome);
  const centre = mean(outcomes);
  const unit = deviation(outcomes) || 1;

  const solution = await solve({
    label,
    penalty,
    features: examples.map(({ values }) =>
      kept.map(({ column, scaling }) => applyScaling(scaling, values[column])),
    ),
    target: outcomes.map((outcome) => (outcome - centre) / unit),
    members: examples.map(({ taskA, taskB }) =>
      withEffects ? [index.get(taskA) as number, index.get(taskB) as number] : [],
    ),
    effects: tasks.length,
  });
  // every row has two effects, so their mean moves into the intercept twice
  const average = tasks.length > 0 ? mean(solution.effects) : 0;
  return {
    features: kept.map(({ name, scaling }, j) => ({ name, ...scaling, weight: unit * solution.weights[j] })),
    constant,
    intercept: centre + unit * (solution.intercept + 2 * average),
    effects: Object.fromEntries(tasks.map((task, t) => [task, unit * (solution.effects[t] - average)])),
  };
}

/** @param names of `example.values` */
export function predictLinear(model: LinearModel, names: readonly string[], example: Example): number {
  let sum = model.intercept;
  for (const feature of model.features) {
    sum += feature.weight * applyScaling(feature, example.values[names.indexOf(feature.name)]);
  }
  for (const task of [example.taskA, example.taskB]) {
    sum += Object.hasOwn(model.effects, task) ? model.effects[task] : 0;
  }
  return sum;
}
