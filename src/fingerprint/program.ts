/**
 * Least absolute deviations with a price on every coefficient: over b and c, minimise
 *
 *     (1/n) Σ_i |y_i - b - x_i.c|  +  Σ_j price_j |c_j|
 *
 * Plain arrays, so that a program can be posted to a worker thread.
 */
export interface Program {
  /** what is being fitted, for error messages: method, variant, fold */
  readonly label: string;
  /** [n][q]; q may be 0 */
  readonly design: readonly (readonly number[])[];
  /** [n] standardised outcomes */
  readonly target: readonly number[];
  /** [q] of one unit of |c_j|, in units of mean absolute error; 0 or more */
  readonly prices: readonly number[];
}

/** A point of the program, optimal or not. */
export interface Point {
  readonly intercept: number;
  readonly coefficients: readonly number[];
}

export interface Solution extends Point {
  /** value of the minimised expression, computed from the point */
  readonly objective: number;
  /** objective minus the certified lower bound on it */
  readonly gap: number;
}

/** y_i - b - x_i.c: what row i is off by. */
export function residual({ design, target }: Program, row: number, point: Point): number {
  let rest = target[row] - point.intercept;
  const columns = design[row];
  for (let j = 0; j < columns.length; j++) {
    rest -= columns[j] * point.coefficients[j];
  }
  return rest;
}

/** The minimised expression at any point, not only at a solution. */
export function objective(program: Program, point: Point): number {
  let sum = 0;
  for (let i = 0; i < program.target.length; i++) {
    sum += Math.abs(residual(program, i, point));
  }
  return point.coefficients.reduce(
    (total, coefficient, j) => total + program.prices[j] * Math.abs(coefficient),
    sum / program.target.length,
  );
}
