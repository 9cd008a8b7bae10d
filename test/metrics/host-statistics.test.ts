import { describe, expect, it } from 'vitest';
import { hostStatistics, PAIR, PAIR_WIDTH, SIDE, SIDE_WIDTH } from '../../src/metrics/index.js';
import { RECIPE, randomModel, randomTensors, SHAPES } from './models.js';

describe('hostStatistics', () => {
  it('lays the numbers out by reference, sorted tensor and column', () => {
    const live = {
      taskVector: new Map([
        ['b.bias', { shape: [2], data: [3, 4] }],
        ['a.weight', { shape: [2, 2], data: [2, 0, 0, 1] }],
      ]),
    };
    const reference = (x: number) => ({
      name: `r${x}`,
      taskVector: new Map([
        ['a.weight', { shape: [2, 2], data: [x, 0, 0, 2 * x] }],
        ['b.bias', { shape: [2], data: [x, 0] }],
      ]),
    });
    const found = hostStatistics({ live, references: [reference(1), reference(2)], k: 1, run: 'x', step: 3 });
    expect(found).toMatchObject({ run: 'x', step: 3, references: ['r1', 'r2'], gradient: null });
    expect(found.tensors).toEqual([
      { name: 'a.weight', shape: [2, 2] },
      { name: 'b.bias', shape: [2] },
    ]);
    expect([...found.live]).toEqual([5, Number.NaN, 1, 1, 1, 25, Number.NaN, 0, 0, 0]);
    const second = [...found.pair].slice(2 * PAIR_WIDTH);
    expect(second[PAIR.tauDot]).toBe(2 * 2 + 4);
    expect(second[PAIR.tauDistance]).toBe(0 + 9);
    expect(second[PAIR.leftTop]).toBeCloseTo(0, 12);
    expect(second[PAIR.rightBottom]).toBeCloseTo(0, 12);
    expect(second[PAIR.spectrum]).toBeCloseTo(1, 12);
    expect(second[PAIR_WIDTH + PAIR.tauDot]).toBe(6);
    expect(second[PAIR_WIDTH + PAIR.leftTop]).toBeNaN();
    expect(found.ref[3 * SIDE_WIDTH + SIDE.tauNorm]).toBe(4);
  });

  it('takes k singular vectors, fewer where a side of the matrix is shorter', () => {
    const live = randomModel(1);
    const found = hostStatistics({ live, references: [], k: 4 });
    const ks = found.tensors.map(({ name }, t) => [name, found.live[t * SIDE_WIDTH + SIDE.rightK]]);
    expect(Object.fromEntries(ks)).toEqual({
      'down.weight': 3,
      'norm.weight': 0,
      'patch.kernel': 0,
      'up.weight': 4,
    });
  });

  it('has a bottom subspace only where the last right singular vectors are determined', () => {
    const diagonal = (shape: [number, number], values: number[]) => {
      const data = new Float64Array(shape[0] * shape[1]);
      values.forEach((value, i) => {
        data[i * shape[1] + i] = value;
      });
      return { shape, data };
    };
    const bottoms = (shape: [number, number], values: number[]) => {
      const model = { taskVector: new Map([['w', diagonal(shape, values)]]) };
      const found = hostStatistics({ live: model, references: [{ ...model, name: 'same' }], k: 2 });
      const overlap = found.pair[PAIR.rightBottom]!;
      expect(Number.isNaN(overlap)).toBe(found.live[SIDE.bottomK] === 0);
      return found.live[SIDE.bottomK];
    };
    // Tall: the rest of the input space is spanned whatever its values are. Wide: it reaches beyond the thin decomposition.
    expect(bottoms([5, 4], [4, 3, 2, 1])).toBe(2);
    expect(bottoms([5, 4], [4, 3, 2, 0])).toBe(2);
    expect(bottoms([5, 4], [4, 3, 0, 0])).toBe(2);
    expect(bottoms([5, 4], [4, 0, 0, 0])).toBe(0);
    expect(bottoms([4, 5], [4, 3, 2, 1])).toBe(2);
    expect(bottoms([4, 5], [4, 3, 2, 0])).toBe(0);
    expect(bottoms([4, 5], [4, 3, 2, 4 * 2 ** -24])).toBe(0);
  });

  it('finds the whole of the smaller side common to any two full-rank matrices', () => {
    const found = hostStatistics({
      live: randomModel(1),
      references: [{ ...randomModel(2), name: 'other' }],
    });
    found.tensors.forEach(({ shape }, t) => {
      if (shape.length === 2) {
        const full = shape[0]! < shape[1]! ? PAIR.leftTop : PAIR.rightTop;
        const part = shape[0]! < shape[1]! ? PAIR.rightTop : PAIR.leftTop;
        const k = Math.min(...shape);
        expect(found.pair[t * PAIR_WIDTH + full]).toBeCloseTo(k, 10);
        expect(found.pair[t * PAIR_WIDTH + part]).toBeLessThan(k - 1e-3);
      }
    });
  });

  it('names every tensor that does not fit, at once', () => {
    const live = randomModel(1);
    const wrong = new Map(randomTensors(2));
    wrong.delete('norm.weight');
    wrong.set('up.weight', { shape: [4, 7], data: new Float64Array(28) });
    wrong.set('down.weight', { shape: [3, 6], data: new Float64Array(17) });
    wrong.set('head.weight', { shape: [1], data: [1] });
    const partial = { tensors: new Map(), recipe: RECIPE };
    const run = () =>
      hostStatistics({
        live: { ...live, gradient: partial },
        references: [{ name: 'x', taskVector: wrong }],
        k: 0,
      });
    for (const line of [
      'k is 0, must be a whole number from 1',
      ...Object.keys(SHAPES).map((name) => `the gradient of the live model: ${name} is `),
      'the task vector of reference x: norm.weight is [5] here, missing there',
      'the task vector of reference x: up.weight is [4, 7] there, [7, 4] here',
      'the task vector of reference x: head.weight is [1] there, missing here',
      'the task vector of reference x: down.weight is [3, 6] and has 17 values',
    ]) {
      expect(run).toThrow(line);
    }
  });
});
