import { describe, expect, it } from 'vitest';
import { Fitter } from '../../src/fingerprint/fitter.js';
import { Gate } from '../../src/fingerprint/gate.js';
import { solveProgram } from '../../src/fingerprint/solve.js';
import { NAMES, rowsWithout, syntheticExamples } from './examples.js';

describe('the fitter', () => {
  const examples = syntheticExamples();
  const options = { label: 'ties', features: NAMES, withEffects: true, penalty: 0.02 };

  function counted() {
    const solved: string[] = [];
    const told: string[] = [];
    const fitter = new Fitter({
      gate: new Gate(2),
      solve: async (program) => {
        solved.push(program.label);
        return solveProgram(program);
      },
      onFit: (label) => {
        told.push(label);
      },
    });
    return { fitter, solved, told };
  }

  it('solves the same rows once, in whichever order tasks were left out, and counts both fits', async () => {
    const { fitter, solved, told } = counted();
    const rows = rowsWithout(examples, ['ant', 'cat']);
    const [one, other] = await Promise.all([
      fitter.fit(rows, options, ['ant', 'cat']),
      fitter.fit(rows, options, ['cat', 'ant']),
    ]);
    expect(other).toBe(one);
    expect(await fitter.fit(rows, options, ['cat', 'ant'])).toBe(one);
    expect(solved).toEqual(['ties, without ant and cat']);
    expect(told).toEqual([
      'ties, without ant and cat',
      'ties, without cat and ant',
      'ties, without cat and ant',
    ]);
  });

  it('solves again what differs in rows, penalty, effects or label', async () => {
    const { fitter, solved } = counted();
    const rows = rowsWithout(examples, ['ant']);
    await fitter.fit(examples, options, []);
    await fitter.fit(rows, options, ['ant']);
    await fitter.fit(rows, { ...options, penalty: 0.04 }, ['ant']);
    await fitter.fit(rows, { ...options, withEffects: false }, ['ant']);
    await fitter.fit(rows, { ...options, label: 'ties, effects only', features: [] }, ['ant']);
    await fitter.fit(rowsWithout(examples, ['ant', 'bee']), options, ['ant', 'bee']);
    expect(solved).toHaveLength(6);
    expect(new Set(solved)).toEqual(
      new Set(['ties', 'ties, without ant', 'ties, effects only, without ant', 'ties, without ant and bee']),
    );
  });

  it('is not fooled by task names with separators in them', async () => {
    const { fitter, solved } = counted();
    await fitter.fit(examples, options, ['a","b']);
    await fitter.fit(examples, options, ['a', 'b']);
    expect(solved).toHaveLength(2);
  });

  it('passes on why a program was not solved, and does not count the fit', async () => {
    const { fitter, told } = counted();
    await expect(fitter.fit([], options, ['ant'])).rejects.toThrow(/ties, without ant: .* has no rows/);
    expect(told).toEqual([]);
  });

  it('predicts as the model that it gives', async () => {
    const { fitter } = counted();
    const { model, predict } = await fitter.fit(examples, options, []);
    const [example] = examples;
    const sum = model.features.reduce(
      (total, { weight, center, scale }, i) =>
        total + weight * Math.min(3, Math.max(-3, (example.values[i] - center) / scale)),
      model.intercept + model.effects[example.taskA] + model.effects[example.taskB],
    );
    expect(predict(example)).toBeCloseTo(sum, 12);
    // a task that it does not know has the effect of a typical one
    const stranger = { ...example, taskB: 'yak' };
    expect(predict(stranger)).toBeCloseTo(sum - model.effects[example.taskB], 12);
  });
});
