import { MergeguardError, Random } from '../tensors/index.js';
import { certifiedBound } from './certify.js';
import { objective, type Point, type Program, residual, type Solution } from './program.js';
import { type RestrictedSolution, solveRestricted } from './restricted.js';
import { nearOptimum } from './start.js';

/** largest accepted gap between the objective and its proven lower bound, relative to max(1, objective) */
const TOLERANCE = 1e-6;
/** a coefficient is zero under this, in standardised units */
const ROUNDING = 1e-9;
/** starts, each from beside where the last one ended but the last from zero, before a program is given up */
const ATTEMPTS = 6;

/**
 * Solves one program with javascript-lp-solver. Started from zero on all rows it takes 0.4 s for 187 pairs with
 * effects, and has been seen to return wrong optima marked feasible. So the start is a point near the optimum, and
 * of the rows only those near zero are given the chance to change sign, of the coefficients only those that want
 * to move, until no other would (solveRestricted says why that is exact): 10 to 20 ms. Nothing is taken on trust:
 * the objective is computed again from the coefficients and held against the bound that the dual values prove.
 *
 * @throws MergeguardError naming the program when it is infeasible, unbounded, not finite or not optimal
 */
export function solveProgram(program: Program): Solution {
  checkProgram(program);
  const random = new Random('solve', program.target.length);
  let start = nearOptimum(program);
  let found = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    // Slow, but what is left where the solver loses its way near an optimum: seen with a handful of rows.
    const isLast = attempt === ATTEMPTS - 1;
    const solved = isLast ? solveWhole(program) : solveFrom(start, program);
    if (typeof solved === 'string') {
      found = `comes back ${solved}`;
      start = beside(start, random);
      continue;
    }
    const point = withoutRounding(solved.point);
    const value = objective(program, point);
    const gap = value - certifiedBound(program, solved.slopes, value);
    if (Math.abs(gap) <= TOLERANCE * Math.max(1, value)) {
      return { ...point, objective: value, gap };
    }
    found = `is not solved: objective ${value}, lower bound ${value - gap}`;
    start = beside(point, random);
  }
  throw new MergeguardError(`${program.label}: the linear program ${found}; ${sizeOf(program)}`);
}

/** A coefficient that the solver moved back to zero comes out as 1e-11 or so; a weight of that would be asked for. */
function withoutRounding({ intercept, coefficients }: Point): Point {
  return { intercept, coefficients: coefficients.map((at) => (Math.abs(at) < ROUNDING ? 0 : at)) };
}

/**
 * Grows the restricted program until no row that was kept changes sign and no coefficient that was held would move.
 *
 * @returns a word for what went wrong when there is no solution
 */
function solveFrom(start: Point, program: Program): RestrictedSolution | 'unbounded' | 'infeasible' {
  const { prices, target } = program;
  const sizes = target.map((_, i) => Math.abs(residual(program, i, start)));
  const nearestFirst = sizes.map((_, i) => i).sort((a, b) => sizes[a] - sizes[b]);
  const columns = new Set(start.coefficients.flatMap((at, j) => (at === 0 && prices[j] > 0 ? [] : [j])));
  // An optimum has about as many zero residuals as it has unknowns.
  const rows = new Set(nearestFirst.slice(0, Math.ceil(1.5 * columns.size) + 8));
  for (;;) {
    const solved = solveRestricted(program, { start, rows, columns });
    if (typeof solved === 'string') {
      // Too few rows leave it unbounded; with all of them it can not be, but for rounding.
      if (rows.size === target.length) {
        return solved;
      }
      addAll(rows, nearestFirst.slice(0, 2 * rows.size));
      continue;
    }
    // a residual of zero at the start is kept as one that is not negative
    const flipped = nearestFirst.filter((i) => {
      const now = residual(program, i, solved.point);
      return !rows.has(i) && (residual(program, i, start) < 0 ? now > 0 : now < 0);
    });
    const pulled = pulledColumns(program, solved.slopes).filter((j) => !columns.has(j));
    if (flipped.length === 0 && pulled.length === 0) {
      return solved;
    }
    addAll(rows, flipped);
    addAll(columns, pulled);
  }
}

/** Coefficients whose pull is stronger than the price that holds them at zero. */
function pulledColumns({ design, prices }: Program, slopes: readonly number[]): number[] {
  return prices.flatMap((price, j) => {
    const pull = slopes.reduce((sum, slope, i) => sum + slope * design[i][j], 0);
    return Math.abs(pull) > slopes.length * (price + 1e-9) ? [j] : [];
  });
}

/** Everything at once, from zero. */
function solveWhole(program: Program): RestrictedSolution | 'unbounded' | 'infeasible' {
  const { prices, target } = program;
  return solveRestricted(program, {
    start: { intercept: 0, coefficients: prices.map(() => 0) },
    rows: new Set(target.keys()),
    columns: new Set(prices.keys()),
  });
}

/** A thousandth away: at a vertex itself many residuals are zero, and the simplex method goes round in circles. */
function beside({ intercept, coefficients }: Point, random: Random): Point {
  return {
    intercept: intercept + 1e-3 * random.normal(),
    coefficients: coefficients.map((at) => (at === 0 ? 0 : at + 1e-3 * random.normal())),
  };
}

function addAll(set: Set<number>, values: readonly number[]): void {
  for (const value of values) {
    set.add(value);
  }
}

function checkProgram({ label, design, target, prices }: Program): void {
  const bad = target.findIndex((y, i) => !Number.isFinite(y) || !design[i].every(Number.isFinite));
  const wrong = prices.findIndex((price) => !(Number.isFinite(price) && price >= 0));
  const problems = [
    ...(target.length === 0 ? ['has no rows'] : []),
    ...(bad >= 0 ? [`has a number that is not finite in row ${bad}`] : []),
    ...(wrong >= 0 ? [`has price ${prices[wrong]} for coefficient ${wrong}, not a number of 0 or more`] : []),
  ];
  if (problems.length > 0) {
    throw new MergeguardError(`${label}: the linear program ${problems.join(' and ')}`);
  }
}

function sizeOf({ target, prices }: Program): string {
  return `${target.length} rows, ${prices.length} coefficients`;
}
