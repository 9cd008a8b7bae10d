import { describe, expect, it } from 'vitest';
import { fitLine } from '../../src/fingerprint/line.js';
import type { Example } from '../../src/fingerprint/linear-model.js';
import { solveProgram } from '../../src/fingerprint/solve.js';
import { Random } from '../../src/tensors/random.js';

const solve = async (program: Parameters<typeof solveProgram>[0]) => solveProgram(program);
const lineOf = (examples: readonly Example[], column = 0) =>
  fitLine(examples, { label: 'test', column, solve });

function examplesOf(points: readonly (readonly [x: number, y: number])[]): Example[] {
  return points.map(([x, y], id) => ({
    id,
    taskA: 'a',
    taskB: 'b',
    checkpoint: null,
    values: [x, 7],
    outcome: y,
  }));
}

describe('the line of a measurement', () => {
  it('is found exactly in spite of a few wild rows, and follows values far outside the others', async () => {
    const random = new Random('line', 1);
    const xs = [...Array.from({ length: 30 }, () => 0.9 + 0.02 * random.normal()), 0.2, 0.1];
    const points = xs.map((x, i): [number, number] => [x, i < 4 ? 0.5 : 0.3 + 0.7 * x]);
    const { slope, offset, deviation } = await lineOf(examplesOf(points));
    expect(slope).toBeCloseTo(0.7, 9);
    expect(offset).toBeCloseTo(0.3, 9);
    const wild = points.slice(0, 4).map(([x]) => (0.3 + 0.7 * x - 0.5) ** 2);
    expect(deviation).toBeCloseTo(Math.sqrt(wild.reduce((sum, square) => sum + square, 0) / 32), 9);
  });

  it('is the median outcome where the measurement is constant', async () => {
    const examples = examplesOf([0.7, 0.9, 0.8, 0.95, 0.2].map((y, i) => [i, y]));
    const { slope, offset } = await lineOf(examples, 1);
    expect(offset + slope * 7).toBeCloseTo(0.8, 9);
  });
});
