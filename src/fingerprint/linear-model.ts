import type { Program, Solution } from './program.js';
import { applyScaling, fitScaling, type Scaling } from './scaling.js';
import { deviation, mean } from './statistics.js';

/** One row of a fit: raw feature values, complete, and the outcome of one method. */
export interface Example {
  /** the row's place in the table */
  readonly id: number;
  readonly taskA: string;
  readonly taskB: string;
  /** of task A's model: rows with the same one share its run, and what that is off by */
  readonly checkpoint: string | number | null;
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
  /** by task; a task that is not here has the effect of a typical one, 0 */
  readonly effects: Readonly<Record<string, number>>;
}

export interface LinearOptions {
  readonly label: string;
  readonly features: readonly string[];
  readonly withEffects: boolean;
  /** price of one unit of weight, in units of mean absolute error, both standardised */
  readonly penalty: number;
  /** price of one unit of effect, likewise; defaults to EFFECT_PRICE */
  readonly effectPrice?: number;
  readonly solve: (program: Program) => Promise<Solution>;
}

/**
 * Price of one unit of effect. Adding a constant to every effect is undone by the intercept, so without a price the
 * program would have a ray of equal solutions; with a small one it takes those in which a typical (the median)
 * task has the effect 0, which is what a task that the fit does not know is given. On the published tables prices
 * from 1e-6 to 4e-3 come out alike, and the mean effect in its place is worse by 0.3 points for ties.
 */
export const EFFECT_PRICE = 1e-3;

/** Fits one linear program to standardised outcomes and brings the result back to their units. */
export async function fitLinear(examples: readonly Example[], options: LinearOptions): Promise<LinearModel> {
  const { label, penalty, withEffects, effectPrice = EFFECT_PRICE, solve } = options;
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
  const outcomes = examples.map((example) => example.outcome);
  const centre = mean(outcomes);
  const unit = deviation(outcomes) || 1;

  const { intercept, coefficients } = await solve({
    label,
    design: examples.map(({ values, taskA, taskB }) => [
      ...kept.map(({ column, scaling }) => applyScaling(scaling, values[column])),
      ...tasks.map((task) => (task === taskA || task === taskB ? 1 : 0)),
    ]),
    target: outcomes.map((outcome) => (outcome - centre) / unit),
    prices: [...kept.map(() => penalty), ...tasks.map(() => effectPrice)],
  });
  return {
    features: kept.map(({ name, scaling }, j) => ({ name, ...scaling, weight: unit * coefficients[j] })),
    constant,
    intercept: centre + unit * intercept,
    effects: Object.fromEntries(tasks.map((task, t) => [task, unit * coefficients[kept.length + t]])),
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
