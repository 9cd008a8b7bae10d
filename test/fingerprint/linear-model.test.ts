import { describe, expect, it } from 'vitest';
import { type Example, fitLinear, predictLinear } from '../../src/fingerprint/linear-model.js';
import { solveProgram } from '../../src/fingerprint/solve.js';
import { NAMES, syntheticExamples } from './examples.js';
import { TASKS } from './synthetic.js';

describe('one fitted model', () => {
  const examples = syntheticExamples();
  const fitted = (rows: readonly Example[], withEffects = true, features: readonly string[] = NAMES) =>
    fitLinear(rows, {
      label: 'ties',
      features,
      withEffects,
      penalty: 0.02,
      solve: async (program) => solveProgram(program),
    });

  it('predicts the same whatever units the metrics are in', async () => {
    const units = [1e-12, 1e9, -1];
    const offsets = [0, 1e6, 5];
    const scaled = examples.map((example) => ({
      ...example,
      values: example.values.map((value, i) => units[i] * value + offsets[i]),
    }));
    const [model, other] = await Promise.all([fitted(examples), fitted(scaled)]);
    examples.forEach((example, i) => {
      const expected = predictLinear(model, NAMES, example);
      expect(predictLinear(other, NAMES, scaled[i])).toBeCloseTo(expected, 6);
    });
    expect(other.features[2].weight).toBeCloseTo(-model.features[2].weight, 6);
  });

  it('moves with its outcomes', async () => {
    const moved = examples.map((example) => ({ ...example, outcome: 0.5 * example.outcome + 0.1 }));
    const [model, other] = await Promise.all([fitted(examples), fitted(moved)]);
    for (const example of examples) {
      const expected = 0.5 * predictLinear(model, NAMES, example) + 0.1;
      expect(predictLinear(other, NAMES, example)).toBeCloseTo(expected, 6);
    }
  });

  it('leaves out a metric that is constant, names it, and is the same as without it', async () => {
    const flat = examples.map((example) => ({ ...example, values: [...example.values, 4] }));
    const names = [...NAMES, 'flat'];
    const [model, without] = await Promise.all([fitted(flat, true, names), fitted(examples)]);
    expect(model.constant).toEqual(['flat']);
    expect(model.features.map(({ name }) => name)).toEqual(NAMES);
    expect({ ...model, constant: [] }).toEqual(without);
    // whatever a new row has there
    const odd = { ...flat[0], values: [...examples[0].values, 1e9] };
    expect(predictLinear(model, names, odd)).toBe(predictLinear(model, names, flat[0]));
  });

  it('gives an unknown task the effect of a typical one, and has none without effects', async () => {
    const { effects } = await fitted(examples);
    expect(Object.keys(effects).sort()).toEqual(TASKS);
    expect(Object.values(effects).sort((a, b) => a - b)[3]).toBeCloseTo(0, 6);
    const plain = await fitted(examples, false);
    expect(plain.effects).toEqual({});
    const stranger = { ...examples[0], taskA: 'constructor', taskB: 'yak' };
    expect(predictLinear(plain, NAMES, stranger)).toBe(predictLinear(plain, NAMES, examples[0]));
    expect(Number.isFinite(predictLinear(await fitted(examples), NAMES, stranger))).toBe(true);
  });

  it('fits outcomes that are all equal', async () => {
    const equal = examples.map((example) => ({ ...example, outcome: 0.9 }));
    const model = await fitted(equal);
    expect(predictLinear(model, NAMES, examples[3])).toBeCloseTo(0.9, 9);
    expect(model.features.map(({ weight }) => weight)).toEqual([0, 0, 0]);
  });

  it('fits a single row', async () => {
    const model = await fitted(examples.slice(0, 1));
    expect(model.constant).toEqual(NAMES);
    expect(predictLinear(model, NAMES, examples[0])).toBeCloseTo(examples[0].outcome, 6);
  });
});
