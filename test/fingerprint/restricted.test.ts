import { describe, expect, it } from 'vitest';
import { certifiedBound } from '../../src/fingerprint/certify.js';
import { objective, type Point, type Program, residual } from '../../src/fingerprint/program.js';
import { type Restriction, solveRestricted } from '../../src/fingerprint/restricted.js';
import { solveProgram } from '../../src/fingerprint/solve.js';
import { nearOptimum } from '../../src/fingerprint/start.js';
import { Random } from '../../src/tensors/random.js';
import { randomProgram } from './programs.js';

const zero = (program: Program): Point => ({ intercept: 0, coefficients: program.prices.map(() => 0) });
const every = (values: readonly unknown[]) => new Set(values.keys());

function solved(program: Program, restriction: Restriction) {
  const solution = solveRestricted(program, restriction);
  if (typeof solution === 'string') {
    throw new Error(`the restricted program is ${solution}`);
  }
  return solution;
}

/** What the restricted program minimises: a kept row counts with the sign it has at the start. */
function restrictedValue(program: Program, { start, rows }: Restriction, point: Point): number {
  const kept = program.target.reduce((sum, _, i) => {
    const now = residual(program, i, point);
    const sign = residual(program, i, start) < 0 ? -1 : 1;
    return sum + (rows.has(i) ? 0 : sign * now - Math.abs(now));
  }, 0);
  return objective(program, point) + kept / program.target.length;
}

/** Rows that must be free to change sign, and coefficients free to move, for the optimum to be found from a start. */
function needed(program: Program, start: Point, optimum: Point): { rows: Set<number>; columns: Set<number> } {
  const rows = program.target.flatMap((_, i) => {
    const there = residual(program, i, optimum);
    return Math.abs(there) < 1e-9 || there * residual(program, i, start) <= 0 ? [i] : [];
  });
  const columns = optimum.coefficients.flatMap((c, j) => (c !== 0 || start.coefficients[j] !== 0 ? [j] : []));
  return { rows: new Set(rows), columns: new Set(columns) };
}

describe('the restricted program', () => {
  const random = new Random('restricted');
  const cases = Array.from({ length: 40 }, () =>
    randomProgram(random, 5 + random.integer(40), 1 + random.integer(8), [0, 5][random.integer(2)]),
  );
  const somewhere = (program: Program): Point => ({
    intercept: random.normal(),
    coefficients: program.prices.map(() => (random.uniform() < 0.5 ? 0 : random.normal())),
  });

  it('is the whole program where every row and column is free, from any start', () => {
    for (const program of cases) {
      const { objective: optimum } = solveProgram(program);
      for (const start of [zero(program), somewhere(program), nearOptimum(program)]) {
        const restriction = { start, rows: every(program.target), columns: every(program.prices) };
        const { point, slopes } = solved(program, restriction);
        expect(objective(program, point)).toBeCloseTo(optimum, 7);
        expect(certifiedBound(program, slopes, optimum)).toBeCloseTo(optimum, 7);
      }
    }
  });

  it('has the same optimum with any rows and columns among which are those that are needed', () => {
    let found = 0;
    for (const program of cases) {
      const solution = solveProgram(program);
      for (const start of [somewhere(program), nearOptimum(program)]) {
        const { rows, columns } = needed(program, start, solution);
        for (const share of [0, 0.3]) {
          const more = <T>(values: readonly T[]) => [...values.keys()].filter(() => random.uniform() < share);
          const restriction = {
            start,
            rows: new Set([...rows, ...more(program.target)]),
            columns: new Set([...columns, ...more(program.prices)]),
          };
          const { point } = solved(program, restriction);
          expect(restrictedValue(program, restriction, point)).toBeCloseTo(solution.objective, 7);
          // of several points with that value it may take one at which a kept row has changed its sign
          found += Math.abs(objective(program, point) - solution.objective) < 1e-7 ? 1 : 0;
        }
      }
    }
    expect(found).toBeGreaterThan(0.95 * 4 * cases.length);
  });

  it('is a lower bound with kept signs that are wrong, and its multipliers prove it', () => {
    let wrong = 0;
    for (const program of cases) {
      const { objective: optimum } = solveProgram(program);
      for (let round = 0; round < 6; round++) {
        const restriction = {
          start: somewhere(program),
          rows: new Set([...program.target.keys()].filter(() => random.uniform() < 0.8)),
          columns: every(program.prices),
        };
        const solution = solveRestricted(program, restriction);
        // too few rows leave it without an optimum
        if (typeof solution !== 'string') {
          const value = restrictedValue(program, restriction, solution.point);
          expect(value).toBeLessThanOrEqual(optimum + 1e-8);
          expect(objective(program, solution.point)).toBeGreaterThanOrEqual(optimum - 1e-8);
          expect(certifiedBound(program, solution.slopes, optimum)).toBeCloseTo(value, 6);
          wrong += value < optimum - 1e-6 ? 1 : 0;
        }
      }
    }
    expect(wrong).toBeGreaterThan(10);
  });

  it('says that it has no optimum where no row is free', () => {
    const program = randomProgram(random, 9, 2, 0);
    const restriction = { start: zero(program), rows: new Set<number>(), columns: every(program.prices) };
    expect(solveRestricted(program, restriction)).toBe('unbounded');
  });

  it('moves only the columns that are free, and the intercept', () => {
    const [program] = cases;
    const start = { intercept: 0.3, coefficients: program.prices.map((_, j) => 0.1 * j) };
    const { point } = solved(program, { start, rows: every(program.target), columns: new Set([0]) });
    expect(point.coefficients.slice(1)).toEqual(start.coefficients.slice(1));
    expect(point.coefficients[0]).not.toBe(start.coefficients[0]);
  });

  it('gives multipliers that prove no more than is true, also a little beside the right ones', () => {
    for (const price of [1e-6, 0.003, 0.1]) {
      const drawn = randomProgram(random, 12, 3, 0);
      // coefficients of a thousand
      const design = drawn.design.map((row) => row.map((x) => 1e-3 * x));
      const program = { ...drawn, design, prices: drawn.prices.map(() => 1e-3 * price) };
      const { objective: optimum } = solveProgram(program);
      const { slopes } = solved(program, {
        start: nearOptimum(program),
        rows: every(program.target),
        columns: every(program.prices),
      });
      for (let round = 0; round < 100; round++) {
        const beside = slopes.map((slope) => slope + 1e-5 * random.normal());
        expect(certifiedBound(program, beside, optimum)).toBeLessThanOrEqual(optimum + 1e-9);
      }
    }
  });
});

describe('the start', () => {
  it('is near the optimum, so that little is left to do', () => {
    const random = new Random('start');
    for (let round = 0; round < 20; round++) {
      const program = randomProgram(random, 60, 8, 6);
      const value = objective(program, nearOptimum(program));
      const { objective: optimum } = solveProgram(program);
      expect(value).toBeGreaterThanOrEqual(optimum - 1e-9);
      expect(value).toBeLessThan(1.02 * optimum);
    }
  });

  it('is finite where columns depend on each other and have no price, and for a single row', () => {
    const drawn = randomProgram(new Random('dependent'), 20, 3, 0);
    const dependent = {
      ...drawn,
      design: drawn.design.map((row) => [...row, ...row, row[0] - row[1], 1]),
      prices: new Array<number>(8).fill(0),
    };
    const huge = { ...dependent, design: dependent.design.map((row) => row.map((x) => 1e8 * x)) };
    const one = { label: 'one', design: [[1, 1]], target: [3], prices: [0, 0] };
    for (const program of [dependent, huge, one]) {
      const { intercept, coefficients } = nearOptimum(program);
      expect([intercept, ...coefficients].every(Number.isFinite)).toBe(true);
    }
  });
});
