/**
 * Least absolute deviations with an L1 penalty and additive effects: over w, b and e, minimise
 *
 *     (1/n) Σ_i |y_i - b - x_i.w - Σ_{t in members_i} e_t|  +  penalty Σ|w|  +  EFFECT_PENALTY Σ|e|
 *
 * Plain arrays, so that a program can be posted to a worker thread.
 */
export interface Program {
  /** what is being fitted, for error messages: method, variant, fold */
  readonly label: string;
  /** [n][p] scaled features; p may be 0 */
  readonly features: readonly (readonly number[])[];
  /** [n] standardised outcomes */
  readonly target: readonly number[];
  /** [n] indices of the effects that add up in row i; empty arrays where there are none */
  readonly members: readonly (readonly number[])[];
  /** number of effects */
  readonly effects: number;
  /** price of one unit of |w|, in units of mean absolute error */
  readonly penalty: number;
}

export interface Solution {
  readonly intercept: number;
  readonly weights: number[];
  readonly effects: number[];
  /** value of the minimised expression, computed from the three above */
  readonly objective: number;
  /** objective minus the certified lower bound on it */
  readonly gap: number;
}

/**
 * Without a price, shifting every effect up and the intercept down costs nothing: the program has a ray of
 * equal solutions, and rounding can turn it into an unbounded one. Small enough to move no prediction.
 */
export const EFFECT_PENALTY = 1e-6;

/** y_i - b - x_i.w - Σ e: what row i is off by. */
export function residual(
  program: Program,
  row: number,
  { intercept, weights, effects }: Pick<Solution, 'intercept' | 'weights' | 'effects'>,
): number {
  let rest = program.target[row] - intercept;
  const features = program.features[row];
  for (let j = 0; j < weights.length; j++) {
    rest -= features[j] * weights[j];
  }
  for (const effect of program.members[row]) {
    rest -= effects[effect];
  }
  return rest;
}

/** The minimised expression at any point, not only at a solution. */
export function objective(
  program: Program,
  point: Pick<Solution, 'intercept' | 'weights' | 'effects'>,
): number {
  let sum = 0;
  for (let i = 0; i < program.target.length; i++) {
    sum += Math.abs(residual(program, i, point));
  }
  return (
    sum / program.target.length +
    program.penalty * absoluteSum(point.weights) +
    EFFECT_PENALTY * absoluteSum(point.effects)
  );
}

function absoluteSum(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + Math.abs(value), 0);
}
