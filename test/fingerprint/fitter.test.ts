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

  it('solves again what differs in rows, penalty, effects, their price or label', async () => {
    const { fitter, solved } = counted();
    const rows = rowsWithout(examples, ['ant']);
    await fitter.fit(examples, options, []);
    await fitter.fit(rows, options, ['ant']);
    await fitter.fit(rows, { ...options, penalty: 0.04 }, ['ant']);
    await fitter.fit(rows, { ...options, withEffects: false }, ['ant']);
    await fitter.fit(rows, { ...options, effectPrice: 0.03 }, ['ant']);
    await fitter.fit(rows, { ...options, label: 'ties, effects only', features: [] }, ['ant']);
    await fitter.fit(rowsWithout(examples, ['ant', 'bee']), options, ['ant', 'bee']);
    expect(solved).toHaveLength(7);
    expect(new Set(solved)).toEqual(
      new Set(['ties', 'ties, without ant', 'ties, effects only, without ant', 'ties, without ant and bee']),
    );
  });

  it('makes the line of a measurement once for the same rows', async () => {
    const { fitter, solved, told } = counted();
    const rows = rowsWithout(examples, ['ant', 'bee']);
    const one = await fitter.line(rows, { label: 'probe', column: 0 }, ['ant', 'bee']);
    expect(await fitter.line(rows, { label: 'probe', column: 0 }, ['bee', 'ant'])).toBe(one);
    expect(await fitter.line(rows, { label: 'probe', column: 1 }, ['ant', 'bee'])).not.toEqual(one);
    expect(solved).toEqual(['probe, without ant and bee', 'probe, without ant and bee']);
    expect(told).toHaveLength(3);
  });

  it('prices effects as it is told', async () => {
    const { fitter } = counted();
    const free = await fitter.fit(examples, { ...options, features: [], effectPrice: 0 }, []);
    const dear = await fitter.fit(examples, { ...options, features: [], effectPrice: 1 }, []);
    expect(Math.max(...Object.values(free.model.effects))).toBeGreaterThan(0.02);
    expect(Object.values(dear.model.effects).every((effect) => effect === 0)).toBe(true);
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
