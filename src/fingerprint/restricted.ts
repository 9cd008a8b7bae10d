import lpSolver from 'javascript-lp-solver';
import { type Point, type Program, residual } from './program.js';

// its types describe the CommonJS build; the ES module's default export is the solver itself
const solver = lpSolver as unknown as typeof lpSolver.default;

type Model = InstanceType<typeof solver.Model>;
type Variable = ReturnType<Model['addVariable']>;
type Row = ReturnType<Model['smallerThan']>;
/** A free variable as the difference of two nonnegative ones. */
type Free = { readonly plus: Variable; readonly minus: Variable };

/**
 * What moves are counted in. The solver's second phase passes over steps under 1e-8, also where a large coefficient
 * turns one of them into a large violation: counted in ten thousandths, steps of interest are longer than that.
 */
const UNIT = 1e4;

export interface Restriction {
  /** where the program starts */
  readonly start: Point;
  /** rows whose residual may change its sign; the others keep that of the start */
  readonly rows: ReadonlySet<number>;
  /** coefficients that may move; the others stay where the start has them */
  readonly columns: ReadonlySet<number>;
}

export interface RestrictedSolution {
  readonly point: Point;
  /** [n] a subgradient d_i of |r_i| for every row, -1..1 */
  readonly slopes: number[];
}

/**
 * Solves a program in the form in which javascript-lp-solver is reliable: no equality, one inequality a row, zero
 * feasible. With s the sign of a residual at the start, |r| = s r + 2 max(-s r, 0); the unknowns are the moves
 * away from the start, and -s r <= v <=> s x.move - v <= |r at the start|. A row that keeps its sign is s r alone:
 * it costs no variable and no inequality, and what is minimised is then a lower bound, attained where every
 * kept sign turns out right. Costs are those of the sum over rows, not of the mean, because the solver calls a
 * reduced cost under 1e-8 zero.
 *
 * @returns a word for what went wrong when there is no solution
 */
export function solveRestricted(
  program: Program,
  { start, rows, columns }: Restriction,
): RestrictedSolution | 'unbounded' | 'infeasible' {
  const { design, target, prices } = program;
  const n = target.length;
  const residuals = target.map((_, i) => residual(program, i, start));
  const signs = residuals.map((r) => (r < 0 ? -1 : 1));
  const model = new solver.Model();
  model.minimize();
  // its presolve drops the cost of variables that it takes for fixed, and then lets them move
  model.usePresolve = false;

  const free = (name: string, cost: number, absolute: number): Free => ({
    plus: model.addVariable(cost + absolute, `${name}+`),
    minus: model.addVariable(-cost + absolute, `${name}-`),
  });
  const intercept = free('b', -signs.reduce((sum, sign) => sum + sign, 0), 0);
  const moves = new Map<number, Free>();
  for (const j of columns) {
    const cost = -signs.reduce((sum, sign, i) => sum + sign * design[i][j], 0);
    const price = n * prices[j];
    const at = start.coefficients[j];
    if (at === 0 || price === 0) {
      moves.set(j, free(`c${j}`, cost, price));
    } else {
      // |c| = s c + 2 max(-s c, 0), as for a residual
      const sign = Math.sign(at);
      const move = free(`c${j}`, cost + sign * price, 0);
      const row = model.smallerThan(UNIT * Math.abs(at));
      addTerm(row, -sign, move).addTerm(-1, model.addVariable(2 * price, `q${j}`));
      moves.set(j, move);
    }
  }
  const inequalities = new Map<number, Row>();
  for (const i of rows) {
    const row = model.smallerThan(UNIT * Math.abs(residuals[i]));
    row.addTerm(-1, model.addVariable(2, `v${i}`));
    addTerm(row, signs[i], intercept);
    for (const [j, move] of moves) {
      if (design[i][j] !== 0) {
        addTerm(row, signs[i] * design[i][j], move);
      }
    }
    inequalities.set(i, row);
  }

  const outcome = model.solve();
  if (!outcome.feasible || !outcome.bounded) {
    return outcome.feasible ? 'unbounded' : 'infeasible';
  }
  return {
    point: {
      intercept: start.intercept + difference(intercept),
      coefficients: start.coefficients.map((at, j) => {
        const move = moves.get(j);
        return move === undefined ? at : at + difference(move);
      }),
    },
    slopes: signs.map((sign, i) => {
      const row = inequalities.get(i);
      return row === undefined ? sign : sign * (1 - dualValue(model, row));
    }),
  };
}

function addTerm(row: Row, coefficient: number, { plus, minus }: Free): Row {
  return row.addTerm(coefficient, plus).addTerm(-coefficient, minus);
}

function difference({ plus, minus }: Free): number {
  return (plus.value - minus.value) / UNIT;
}

/** Multiplier of an inequality, read from the cost row of the final tableau: 0 where its slack is in the basis. */
function dualValue(model: Model, row: Row): number {
  const column = model.tableau.colByVarIndex[row.slack.index];
  return column > 0 ? -model.tableau.matrix[column] : 0;
}
