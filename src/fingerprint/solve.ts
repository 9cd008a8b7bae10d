import lpSolver from 'javascript-lp-solver';
import { MergeguardError } from '../tensors/index.js';
import { certifiedBound } from './certify.js';
import { EFFECT_PENALTY, objective, type Program, type Solution } from './program.js';

/** largest accepted gap between the objective and its proven lower bound, relative to max(1, objective) */
const TOLERANCE = 1e-6;

// its types describe the CommonJS build; the ES module's default export is the solver itself
const solver = lpSolver as unknown as typeof lpSolver.default;

type Model = InstanceType<typeof solver.Model>;
type Variable = ReturnType<Model['addVariable']>;
/** A free variable as the difference of two nonnegative ones. */
type Free = { readonly plus: Variable; readonly minus: Variable };

/**
 * Solves one program with javascript-lp-solver, in the form in which that solver is reliable: with
 * |r| = 2 max(r, 0) - r there is one inequality a row and no equality, and b = max(y) - b'' makes zero a
 * feasible start. It has been seen to return wrong optima marked feasible, so nothing is taken on trust: the
 * objective is computed again from the weights and held against the bound that the dual values prove.
 *
 * @throws MergeguardError naming the program when it is infeasible, unbounded, not finite or not optimal
 */
export function solveProgram(program: Program): Solution {
  checkFinite(program);
  const { model, rows, shift, weights, effects } = buildModel(program);
  const outcome = model.solve();
  if (!outcome.feasible || !outcome.bounded) {
    const what = outcome.feasible ? 'unbounded' : 'infeasible';
    throw new MergeguardError(`${program.label}: the linear program came back ${what}; ${sizeOf(program)}`);
  }
  const point = {
    intercept: Math.max(...program.target) - difference(shift),
    weights: weights.map(difference),
    effects: effects.map(difference),
  };
  const value = objective(program, point);
  const gap =
    value -
    certifiedBound(
      program,
      rows.map((row) => dualValue(model, row)),
      value,
    );
  if (!(Math.abs(gap) <= TOLERANCE * Math.max(1, value))) {
    throw new MergeguardError(
      `${program.label}: the linear program's solution is not optimal: objective ${value}, ` +
        `lower bound ${value - gap}; ${sizeOf(program)}`,
    );
  }
  return { ...point, objective: value, gap };
}

/**
 * Σ|r| = Σ (2 u - r) with u >= r and u >= 0. Costs are those of the sum over rows, not of the mean, because
 * the solver calls a reduced cost under 1e-8 zero.
 */
function buildModel(program: Program) {
  const { features, target, members, penalty } = program;
  const n = target.length;
  const model = new solver.Model();
  model.minimize();
  // its presolve drops the cost of variables that it takes for fixed, and then lets them move
  model.usePresolve = false;

  const free = (name: string, cost: number, price: number): Free => ({
    plus: model.addVariable(cost + n * price, `${name}+`),
    minus: model.addVariable(-cost + n * price, `${name}-`),
  });
  const columnSums = new Array<number>(features[0]?.length ?? 0).fill(0);
  const counts = new Array<number>(program.effects).fill(0);
  for (let i = 0; i < n; i++) {
    features[i].forEach((x, j) => {
      columnSums[j] += x;
    });
    for (const effect of members[i]) {
      counts[effect]++;
    }
  }
  const shift = free('shift', -n, 0);
  const weights = columnSums.map((sum, j) => free(`w${j}`, sum, penalty));
  const effects = counts.map((count, t) => free(`e${t}`, count, EFFECT_PENALTY));

  const top = Math.max(...target);
  const rows = target.map((y, i) => {
    // r <= u  <=>  -u + b'' - x.w - Σ e <= max(y) - y
    const row = model.smallerThan(top - y);
    const add = (coefficient: number, variable: Free) => {
      if (coefficient !== 0) {
        row.addTerm(coefficient, variable.plus).addTerm(-coefficient, variable.minus);
      }
    };
    row.addTerm(-1, model.addVariable(2, `u${i}`));
    add(1, shift);
    features[i].forEach((x, j) => {
      add(-x, weights[j]);
    });
    for (const effect of members[i]) {
      add(-1, effects[effect]);
    }
    return row;
  });
  return { model, rows, shift, weights, effects };
}

function difference(variable: Free): number {
  return variable.plus.value - variable.minus.value;
}

/** Multiplier of a row, read from the cost row of the final tableau: 0 where its slack is in the basis. */
function dualValue(model: Model, row: ReturnType<Model['smallerThan']>): number {
  const column = model.tableau.colByVarIndex[row.slack.index];
  return column > 0 ? -model.tableau.matrix[column] : 0;
}

function checkFinite({ label, features, target }: Program): void {
  const bad = target.findIndex((y, i) => !Number.isFinite(y) || !features[i].every(Number.isFinite));
  if (target.length === 0 || bad >= 0) {
    const what = target.length === 0 ? 'has no rows' : `has a number that is not finite in row ${bad}`;
    throw new MergeguardError(`${label}: the linear program ${what}`);
  }
}

function sizeOf({ features, target, effects }: Program): string {
  return `${target.length} rows, ${features[0].length} features, ${effects} effects`;
}
