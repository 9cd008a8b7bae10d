import { describe, expect, it } from 'vitest';
import { checkTerm, RECOMMENDED } from '../../src/steering/index.js';
import * as plan from '../bench/steer/plan.js';
import { PLAIN, recipeOf } from '../bench/steer/variant.js';

const ALL = [...plan.POOL_VARIANTS, ...plan.LIVE_VARIANTS];

describe('the plan', () => {
  it('has terms whose parameters are known and in range', () => {
    for (const { term, strength, parameters } of ALL.flatMap(({ terms }) => terms)) {
      expect(() => checkTerm(term, { ...parameters, strength })).not.toThrow();
    }
  });

  it('writes out what would change with the defaults of merge simulation and scale jitter', () => {
    const elsewhere = ALL.flatMap(({ terms }) => terms).filter(({ term }) =>
      ['merge_simulation', 'scale_jitter'].includes(term),
    );
    expect(elsewhere.length).toBeGreaterThan(5);
    for (const { parameters } of elsewhere) {
      expect(Object.keys(parameters ?? {})).toEqual(expect.arrayContaining(['form', 'chain', 'low', 'high']));
    }
  });

  it('names variants by ids of their own', () => {
    for (const variants of [plan.POOL_VARIANTS, plan.LIVE_VARIANTS]) {
      const ids = [PLAIN, ...variants].map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    }
    expect(plan.POOL_VARIANTS).toContain(plan.DEFAULT);
    expect(plan.LIVE_VARIANTS).toContain(plan.DEFAULT);
  });

  it('lets controls have every step size that variants have', () => {
    const rates = plan.POOL_VARIANTS.map((variant) => recipeOf(variant, plan.FINE_TUNING).learningRate);
    expect(plan.CONTROL_LEARNING_RATES).toEqual(expect.arrayContaining(rates));
    const quick = recipeOf(plan.DEFAULT, plan.QUICK_FINE_TUNING).learningRate;
    expect(plan.QUICK_CONTROL_LEARNING_RATES).toEqual(
      expect.arrayContaining([quick, plan.QUICK_FINE_TUNING.learningRate]),
    );
  });

  it('measures the steering that is recommended, whose models the cache has under its JSON', () => {
    expect(plan.DEFAULT.terms).toBe(RECOMMENDED);
    expect(JSON.stringify([plan.DEFAULT.terms, recipeOf(plan.DEFAULT, plan.FINE_TUNING)])).toBe(
      '[[{"term":"merge_simulation","strength":0.2,"parameters":{"form":"in_place","chain":false,"low":0.5,"high":1}}],{"steps":900,"batch":32,"learningRate":0.0013,"schedule":"linear","headSteps":300}]',
    );
  });
});
