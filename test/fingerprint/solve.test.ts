import fc from 'fast-check';
import type { Highs } from 'highs';
import { beforeAll, describe, expect, it } from 'vitest';
import { certifiedBound } from '../../src/fingerprint/certify.js';
import { objective, type Program } from '../../src/fingerprint/program.js';
import { solveProgram } from '../../src/fingerprint/solve.js';
import { Random } from '../../src/tensors/random.js';
import { highsObjective, loadHighs } from './highs.js';
import { randomProgram } from './programs.js';

/** Every line through two of the points, and every horizontal through one: one of them is optimal. */
function bruteForce(program: Program): number {
  const { design, target } = program;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < target.length; i++) {
    best = Math.min(best, objective(program, { intercept: target[i], coefficients: [0] }));
    for (let j = 0; j < i; j++) {
      const run = design[i][0] - design[j][0];
      if (run !== 0) {
        const slope = (target[i] - target[j]) / run;
        const intercept = target[i] - slope * design[i][0];
        best = Math.min(best, objective(program, { intercept, coefficients: [slope] }));
      }
    }
  }
  return best;
}

/** Programs of rows of numbers from `cell`; prices may be 0. */
function programs(
  cell: fc.Arbitrary<number>,
  { rows, columns }: { rows: number; columns: number },
): fc.Arbitrary<Program> {
  return fc.tuple(fc.integer({ min: 1, max: rows }), fc.integer({ min: 0, max: columns })).chain(([n, q]) =>
    fc.record({
      label: fc.constant('drawn'),
      design: fc.array(fc.array(cell, { minLength: q, maxLength: q }), { minLength: n, maxLength: n }),
      target: fc.array(cell, { minLength: n, maxLength: n }),
      prices: fc.array(fc.constantFrom(0, 0.001, 0.03, 1), { minLength: q, maxLength: q }),
    }),
  );
}

/** The same program with the outcomes that coefficients give without any residual. */
function exact(program: Program, random: Random): Program {
  const truth = program.prices.map(() => random.normal());
  return {
    ...program,
    target: program.design.map((columns) => columns.reduce((sum, x, j) => sum + x * truth[j], 0.7)),
  };
}

describe('the linear program', () => {
  let highs: Highs;
  beforeAll(async () => {
    highs = await loadHighs();
  });

  function expectOptimal(program: Program): void {
    const solution = solveProgram(program);
    const expected = highsObjective(highs, program);
    expect(Math.abs(solution.objective - expected)).toBeLessThan(1e-6 * Math.max(1, expected));
    expect(Math.abs(solution.gap)).toBeLessThan(1e-6 * Math.max(1, expected));
    expect(objective(program, solution)).toBe(solution.objective);
  }

  it.each([
    [8, 1, 0],
    [20, 4, 0],
    [30, 3, 5],
    [50, 8, 8],
    [60, 20, 8],
    [12, 20, 6],
    [6, 28, 4],
    [2, 10, 2],
    [187, 28, 20],
  ])('has the objective of HiGHS on %i rows, %i features, %i effects', (n, columns, effects) => {
    const random = new Random('highs', n, columns);
    for (let round = 0; round < 2; round++) {
      expectOptimal(randomProgram(random, n, columns, effects));
    }
  });

  it.each([
    ['whole numbers, many of them equal', fc.integer({ min: -2, max: 2 })],
    ['zeros and ones', fc.integer({ min: 0, max: 1 })],
    ['any numbers', fc.double({ min: -3, max: 3, noNaN: true })],
  ])('has it on %s, any prices, few rows or few columns', (_, cell) => {
    fc.assert(
      fc.property(programs(cell, { rows: 30, columns: 12 }), (program) => {
        expectOptimal(program);
      }),
      { seed: 11, numRuns: 100 },
    );
  });

  it('has it on data without any noise, where every residual is zero', () => {
    const random = new Random('exact');
    for (let round = 0; round < 60; round++) {
      const program = exact(randomProgram(random, 5 + random.integer(40), 1 + random.integer(5), 0), random);
      expectOptimal(program);
      const unpriced = { ...program, prices: program.prices.map(() => 0) };
      expect(solveProgram(unpriced).objective).toBeLessThan(1e-7);
    }
  });

  it('has it on outcomes that are all equal, and on one row', () => {
    const random = new Random('equal');
    for (const n of [1, 2, 5, 40, 120]) {
      for (const columns of [0, 1, 5]) {
        const program = { ...randomProgram(random, n, columns, 4), target: new Array<number>(n).fill(0.25) };
        const { objective: optimum, intercept, coefficients } = solveProgram(program);
        expect(optimum).toBeLessThan(1e-9);
        expect(intercept).toBeCloseTo(0.25, 6);
        for (const coefficient of coefficients) {
          expect(Math.abs(coefficient)).toBeLessThan(1e-6);
        }
      }
    }
    expect(solveProgram({ label: 'one', design: [[2]], target: [5], prices: [0.1] }).objective).toBeCloseTo(
      0,
      9,
    );
  });

  it('is the median where there is no coefficient', () => {
    const values = [3, -1, 8, 2, 2, 40, -7];
    const { intercept, coefficients } = solveProgram({
      label: 'median',
      design: values.map(() => []),
      target: values,
      prices: [],
    });
    expect(intercept).toBeCloseTo(2, 9);
    expect(coefficients).toEqual([]);
  });

  it('finds what trying every line finds', () => {
    const coordinate = fc.integer({ min: -4, max: 4 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(coordinate, coordinate), { minLength: 1, maxLength: 8 }),
        fc.constantFrom(0, 0.003, 0.5),
        (points, price) => {
          const program: Program = {
            label: 'tiny',
            design: points.map(([x]) => [x]),
            target: points.map(([, y]) => y),
            prices: [price],
          };
          expect(solveProgram(program).objective).toBeCloseTo(bruteForce(program), 6);
        },
      ),
      { seed: 7, numRuns: 200 },
    );
  });

  it('is not moved by duplicated rows or columns, and takes an intercept above every outcome', () => {
    const random = new Random('twice');
    for (let round = 0; round < 20; round++) {
      const program = randomProgram(random, 20, 3, 4);
      const { design, target, prices } = program;
      const { objective: optimum } = solveProgram(program);
      const rows = { ...program, design: [...design, ...design], target: [...target, ...target] };
      const columns = {
        ...program,
        design: design.map((row) => [...row, ...row]),
        prices: [...prices, ...prices],
      };
      expect(solveProgram(rows).objective).toBeCloseTo(optimum, 7);
      expect(solveProgram(columns).objective).toBeCloseTo(optimum, 7);
    }
    const line = solveProgram({
      label: 'above',
      design: [[1], [2], [3], [4]],
      target: [4, 3, 2, 1],
      prices: [0],
    });
    expect(line.intercept).toBeCloseTo(5, 6);
    expect(line.coefficients[0]).toBeCloseTo(-1, 6);
  });

  it('has the same optimum in any unit of a column, its price in the same unit', () => {
    const random = new Random('units');
    for (let round = 0; round < 20; round++) {
      const program = randomProgram(random, 40, 4, 5);
      const units = [1e-4, 1e4, 1, 30, ...new Array<number>(5).fill(0.01)];
      const scaled = {
        ...program,
        design: program.design.map((row) => row.map((x, j) => x * units[j])),
        prices: program.prices.map((price, j) => price * units[j]),
      };
      expect(solveProgram(scaled).objective).toBeCloseTo(solveProgram(program).objective, 6);
    }
  });

  it('leaves a coefficient at zero that costs more than it brings, and gives one that brings more', () => {
    const program = randomProgram(new Random('price'), 30, 3, 0);
    const { coefficients } = solveProgram({ ...program, prices: [100, 0, 0.01] });
    expect(coefficients[0]).toBe(0);
    expect(coefficients[1]).not.toBe(0);
    expect(coefficients[2]).not.toBe(0);
  });

  it('gives zeros that are zeros', () => {
    const random = new Random('zeros');
    for (let round = 0; round < 20; round++) {
      const { coefficients } = solveProgram(randomProgram(random, 12, 10, 5));
      expect(coefficients.filter((c) => c !== 0 && Math.abs(c) < 1e-9)).toEqual([]);
      expect(coefficients).toContain(0);
    }
  });

  it('gives the same solution again', () => {
    const program = randomProgram(new Random('again'), 60, 20, 8);
    expect(solveProgram(program)).toEqual(solveProgram(program));
  });

  const bad = { ...randomProgram(new Random('bad'), 6, 2, 0), label: 'dare, without mnist' };
  it.each<[string, Program, string]>([
    [
      'an outcome',
      { ...bad, target: [0, 0, Number.NaN, 0, 0, 0] },
      'has a number that is not finite in row 2',
    ],
    [
      'a metric',
      { ...bad, design: bad.design.map((row, i) => (i === 4 ? [0, Number.POSITIVE_INFINITY] : row)) },
      'has a number that is not finite in row 4',
    ],
    ['a price', { ...bad, prices: [0, Number.NaN] }, 'has price NaN for coefficient 1'],
    // it would be unbounded
    ['a price below 0', { ...bad, prices: [-1, 0] }, 'has price -1 for coefficient 0'],
    ['no rows', { ...bad, target: [], design: [] }, 'has no rows'],
  ])('names the program and %s that is no good', (_, program, what) => {
    expect(() => solveProgram(program)).toThrow(`dare, without mnist: the linear program ${what}`);
  });

  it('has it where the solver is lost near the optimum: three rows, more coefficients, two outcomes alike', () => {
    const program: Program = {
      label: 'lost',
      design: [
        [0, 1.4799424176576508, 0, 0, 1, 1, 0],
        [-1.6783868077134507, -0.5200575823423494, 1.996404240962079, -0.12212374456239723, 1, 0, 1],
        [0.3216131922865492, 0, -0.0035957590379210487, 1.8778762554376027, 0, 1, 1],
      ],
      target: [-0.7071067811864751, Math.SQRT2, -0.7071067811866202],
      prices: [0.1, 0.1, 0.1, 0.1, 0.03, 0.03, 0.03],
    };
    expect(solveProgram(program).objective).toBeCloseTo(highsObjective(highs, program), 9);
  });

  it('names the program that it can not solve, never a silent zero', () => {
    const huge = { ...bad, target: bad.target.map((y) => 1e250 * y), prices: [1e-300, 1e-300] };
    expect(() => solveProgram(huge)).toThrow(
      /^dare, without mnist: the linear program (is not solved: objective|comes back) .*; 6 rows, 2 coefficients$/,
    );
  });
});

describe('certifiedBound', () => {
  it('is never above the optimum, whatever the multipliers are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1.5, max: 1.5, noNaN: true }), { minLength: 10, maxLength: 10 }),
        fc.integer({ min: 0, max: 5 }),
        (slopes, seed) => {
          const program = randomProgram(new Random('bound', seed), 10, 2, 3);
          const { objective: optimum } = solveProgram(program);
          for (const attained of [optimum, 2 * optimum]) {
            expect(certifiedBound(program, slopes, attained)).toBeLessThanOrEqual(optimum + 1e-9);
          }
        },
      ),
      { seed: 3, numRuns: 200 },
    );
  });

  it('takes no multiplier for more than one', () => {
    const program = { label: 'median', design: [[], [], [], []], target: [0, 0, 1, 1], prices: [] };
    expect(certifiedBound(program, [-2, -2, 2, 2], 0.5)).toBeCloseTo(0.5, 12);
  });

  it('is far under the objective for the multipliers of another program, so that a wrong optimum shows', () => {
    const program = randomProgram(new Random('wrong'), 10, 2, 0);
    const { objective: optimum } = solveProgram(program);
    expect(certifiedBound(program, new Array(10).fill(1), optimum)).toBeLessThan(optimum - 0.1);
  });
});
