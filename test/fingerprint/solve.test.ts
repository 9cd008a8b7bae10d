import fc from 'fast-check';
import highsModule, { type LegacyHighs } from 'highs';
import { beforeAll, describe, expect, it } from 'vitest';
import { certifiedBound } from '../../src/fingerprint/certify.js';
import { EFFECT_PENALTY, objective, type Program } from '../../src/fingerprint/program.js';
import { solveProgram } from '../../src/fingerprint/solve.js';
import { Random } from '../../src/tensors/random.js';
import { randomProgram } from './programs.js';
import { publishedMetrics, publishedMissing, publishedRows } from './published.js';

// its types describe the CommonJS build; the ES module's default export is the loader itself
const loadHighs = highsModule as unknown as typeof highsModule.default;

/** The same program in its plain textbook form, with a free residual in two parts a row. */
function toLpText({ features, target, members, effects, penalty }: Program): string {
  const n = target.length;
  const columns = features[0].length;
  const term = (value: number, name: string) =>
    `${value < 0 ? '-' : '+'} ${Math.abs(value).toFixed(15)} ${name}`;
  const costs: string[] = [];
  const rows: string[] = [];
  for (let i = 0; i < n; i++) {
    costs.push(term(1 / n, `p${i}`), term(1 / n, `m${i}`));
    const terms = [`b + p${i} - m${i}`];
    features[i].forEach((x, j) => {
      terms.push(term(x, `wp${j}`), term(-x, `wm${j}`));
    });
    for (const t of members[i]) {
      terms.push(`+ ep${t} - em${t}`);
    }
    rows.push(` r${i}: ${terms.join('\n ')} = ${target[i].toFixed(15)}`);
  }
  for (let j = 0; j < columns; j++) {
    costs.push(term(penalty, `wp${j}`), term(penalty, `wm${j}`));
  }
  for (let t = 0; t < effects; t++) {
    costs.push(term(EFFECT_PENALTY, `ep${t}`), term(EFFECT_PENALTY, `em${t}`));
  }
  return `Minimize\n obj: ${costs.join('\n ')}\nSubject To\n${rows.join('\n')}\nBounds\n b free\nEnd\n`;
}

/** Every line through two of the points, and every horizontal through one: one of them is optimal. */
function bruteForce(program: Program): number {
  const { features, target } = program;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < target.length; i++) {
    best = Math.min(best, objective(program, { intercept: target[i], weights: [0], effects: [] }));
    for (let j = 0; j < i; j++) {
      const run = features[i][0] - features[j][0];
      if (run !== 0) {
        const weight = (target[i] - target[j]) / run;
        const intercept = target[i] - weight * features[i][0];
        best = Math.min(best, objective(program, { intercept, weights: [weight], effects: [] }));
      }
    }
  }
  return best;
}

describe('the linear program', () => {
  let highs: LegacyHighs;
  beforeAll(async () => {
    highs = await loadHighs();
  });

  it.each([
    [8, 1, 0],
    [20, 4, 0],
    [30, 3, 5],
    [50, 8, 8],
    [60, 20, 8],
    [12, 20, 6],
  ])('has the objective of HiGHS on %i rows, %i features, %i effects', (n, columns, effects) => {
    const random = new Random('highs', n, columns);
    for (let round = 0; round < 2; round++) {
      const program = randomProgram(random, n, columns, effects);
      const solution = solveProgram(program);
      expect(Math.abs(solution.objective - highs.solve(toLpText(program)).ObjectiveValue)).toBeLessThan(1e-6);
      expect(Math.abs(solution.gap)).toBeLessThan(1e-6);
    }
  });

  it.skipIf(publishedMissing)('has it on programs of the published tables (they are in ../shared)', () => {
    const rows = publishedRows('vit-b-32-adamw').slice(0, 120);
    const tasks = [...new Set(rows.flatMap((row) => [row.taskA, row.taskB]))];
    for (const [method, withEffects] of [
      ['tsv', true],
      ['ties', true],
      ['ties', false],
    ] as const) {
      const program: Program = {
        label: method,
        features: rows.map((row) =>
          publishedMetrics.slice(0, 12).map((name) => Math.tanh(row.metrics[name] ?? 0)),
        ),
        target: rows.map((row) => 10 * (row.outcomes[method] ?? 0.9)),
        members: rows.map((row) => (withEffects ? [tasks.indexOf(row.taskA), tasks.indexOf(row.taskB)] : [])),
        effects: withEffects ? tasks.length : 0,
        penalty: 0.003,
      };
      const expected = highs.solve(toLpText(program)).ObjectiveValue;
      expect(Math.abs(solveProgram(program).objective - expected)).toBeLessThan(1e-6);
    }
  });

  it('finds what trying every line finds', () => {
    const coordinate = fc.integer({ min: -4, max: 4 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(coordinate, coordinate), { minLength: 1, maxLength: 8 }),
        fc.constantFrom(0, 0.003, 0.5),
        (points, penalty) => {
          const program: Program = {
            label: 'tiny',
            features: points.map(([x]) => [x]),
            target: points.map(([, y]) => y),
            members: points.map(() => []),
            effects: 0,
            penalty,
          };
          expect(solveProgram(program).objective).toBeCloseTo(bruteForce(program), 6);
        },
      ),
      { seed: 7, numRuns: 200 },
    );
  });

  it('is not moved by duplicated rows, and takes an intercept above every outcome', () => {
    const program = randomProgram(new Random('twice'), 20, 3, 4);
    const twice = {
      ...program,
      features: [...program.features, ...program.features],
      target: [...program.target, ...program.target],
      members: [...program.members, ...program.members],
    };
    expect(solveProgram(twice).objective).toBeCloseTo(solveProgram(program).objective, 7);
    const above = [1, 2, 3, 4].map((x) => ({ x: [x], y: 5 - x }));
    const line = solveProgram({
      label: 'above',
      features: above.map(({ x }) => x),
      target: above.map(({ y }) => y),
      members: above.map(() => []),
      effects: 0,
      penalty: 0,
    });
    expect(line.intercept).toBeCloseTo(5, 6);
  });

  it('names the program when its input is no good', () => {
    const program = { ...randomProgram(new Random('bad'), 6, 2, 0), label: 'dare, without mnist' };
    expect(() => solveProgram({ ...program, target: [Number.NaN, 0, 0, 0, 0, 0] })).toThrow(
      'dare, without mnist: the linear program has a number that is not finite in row 0',
    );
    expect(() => solveProgram({ ...program, target: [], features: [], members: [] })).toThrow(
      'dare, without mnist: the linear program has no rows',
    );
  });
});

describe('certifiedBound', () => {
  it('is never above the optimum, whatever the multipliers are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { minLength: 10, maxLength: 10 }),
        (d) => {
          const program = randomProgram(new Random('bound'), 10, 2, 0);
          const { objective: optimum } = solveProgram(program);
          expect(certifiedBound(program, d, optimum)).toBeLessThanOrEqual(optimum + 1e-6);
        },
      ),
      { seed: 3, numRuns: 100 },
    );
  });

  it('is far under the objective for the multipliers of another program, so that a wrong optimum shows', () => {
    const program = randomProgram(new Random('wrong'), 10, 2, 0);
    const { objective: optimum } = solveProgram(program);
    expect(certifiedBound(program, new Array(10).fill(1), optimum)).toBeLessThan(optimum - 0.1);
  });
});
