import type { Example } from './linear-model.js';
import type { Program, Solution } from './program.js';
import { deviation, mean, rootMeanSquare } from './statistics.js';

/** outcome = offset + slope * measured value, in the units of both. */
export interface Line {
  readonly slope: number;
  readonly offset: number;
  /** root mean square of what it leaves on the rows that it was fitted on */
  readonly deviation: number;
}

export interface LineOptions {
  readonly label: string;
  /** of the measurement in `values` */
  readonly column: number;
  readonly solve: (program: Program) => Promise<Solution>;
}

/**
 * A line by least absolute deviations, without a price and without clipping: for a value that measures the outcome
 * itself, such as a probe. There the extremes are the news, and two numbers need no shrinking. A column that is
 * constant over the rows gives the median outcome.
 */
export async function fitLine(
  examples: readonly Example[],
  { label, column, solve }: LineOptions,
): Promise<Line> {
  const measured = examples.map(({ values }) => values[column]);
  const outcomes = examples.map(({ outcome }) => outcome);
  const x = { center: mean(measured), unit: deviation(measured) || 1 };
  const y = { center: mean(outcomes), unit: deviation(outcomes) || 1 };
  const { coefficients, intercept } = await solve({
    label,
    design: measured.map((value) => [(value - x.center) / x.unit]),
    target: outcomes.map((outcome) => (outcome - y.center) / y.unit),
    prices: [0],
  });
  const slope = (y.unit * coefficients[0]) / x.unit;
  const offset = y.center + y.unit * intercept - slope * x.center;
  const left = measured.map((value, i) => outcomes[i] - offset - slope * value);
  return { slope, offset, deviation: rootMeanSquare(left) };
}
