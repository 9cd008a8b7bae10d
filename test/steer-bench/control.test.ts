import { describe, expect, it } from 'vitest';
import { bestControl, controlCandidates, plainBy, plainsOf } from '../bench/steer/control.js';
import { liveSplit } from '../bench/steer/live-table.js';
import { METHODS, poolOf } from './synthetic.js';

const PLAIN = { steps: 600, learningRate: 5e-4 };

describe('controlCandidates', () => {
  it('are as long as the variant is dear, at every step size, and plain training beside them', () => {
    const candidates = controlCandidates({ steps: 600, gradientEvaluations: 4 / 3 }, PLAIN, [5e-4, 1e-3]);
    expect(candidates.map(({ id, recipe }) => ({ id, ...recipe }))).toEqual([
      { id: 'plain' },
      { id: 'plain-800-0.0005', steps: 800, learningRate: 5e-4 },
      { id: 'plain-800-0.001', steps: 800, learningRate: 1e-3 },
    ]);
    expect(candidates.every(({ terms }) => terms.length === 0)).toBe(true);
  });

  it('have plain training once where the variant costs no more', () => {
    const candidates = controlCandidates({ steps: 600, gradientEvaluations: 1 }, PLAIN, [5e-4, 1e-3]);
    expect(candidates.map(({ id }) => id)).toEqual(['plain', 'plain-600-0.001']);
  });

  it('leave plain training out where it would cost more than the variant', () => {
    const candidates = controlCandidates({ steps: 300, gradientEvaluations: 1 }, PLAIN, [5e-4]);
    expect(candidates.map(({ id }) => id)).toEqual(['plain-300-0.0005']);
  });
});

describe('plainBy', () => {
  it("is the benchmark's own where steps and step size are its own", () => {
    expect(plainBy({ steps: 600, learningRate: 5e-4 }, PLAIN).id).toBe('plain');
    expect(plainBy({ steps: 600, learningRate: 1e-3 }, PLAIN)).toMatchObject({
      id: 'plain-600-0.001',
      terms: [],
      recipe: { steps: 600, learningRate: 1e-3 },
    });
    expect(plainBy({ steps: 800, learningRate: 5e-4 }, PLAIN).id).toBe('plain-800-0.0005');
  });

  it("has each that variants ask for once, the benchmark's first", () => {
    const variant = (id: string, recipe = {}) => ({ id, title: id, terms: [], recipe });
    const variants = [
      variant('a', { learningRate: 1e-3 }),
      variant('b'),
      variant('c', { learningRate: 1e-3, averaging: { from: 0.5 } }),
    ];
    const plains = plainsOf(variants, { ...PLAIN, batch: 32 });
    expect(plains.map(({ id }) => id)).toEqual(['plain', 'plain-600-0.001']);
  });
});

describe('bestControl', () => {
  it('goes by calibration samples, not by test samples, and by the first of equal ones', () => {
    const candidate = (id: string, calibration: number, test: number) => ({
      id,
      result: poolOf({ single: () => 1, merged: () => test, calibration }),
    });
    const candidates = [candidate('a', 0.8, 0.9), candidate('b', 0.85, 0.5), candidate('c', 0.85, 0.7)];
    expect(bestControl(candidates, METHODS)).toBe('b');
  });
});

describe('liveSplit', () => {
  it('takes every second task live and the first others as references', () => {
    expect(liveSplit([...'abcdefghij'], 4, 5)).toEqual({ lives: [...'aceg'], references: [...'bdfhi'] });
    expect(liveSplit([...'abcdefgh'], 4, 5)).toEqual({ lives: [...'aceg'], references: [...'bdfh'] });
  });
});
