import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { likeness } from '../../src/fingerprint/compare.js';
import {
  chanceOf,
  compareFingerprints,
  compareMethods,
  type Fingerprint,
  type MethodFingerprint,
} from '../../src/fingerprint/index.js';
import { metricsOnlyWeights, weightsOf } from '../../src/fingerprint/weights.js';
import { exampleFingerprint } from './example.js';

/** A method whose richest variant has these weights, with effects and alone; poorer and as rich ones do not count. */
function methodOf(withEffects: Record<string, number>, metricsOnly = withEffects): MethodFingerprint {
  const { ties } = exampleFingerprint().methods;
  const [, poorer, effects] = ties.variants;
  const [feature] = poorer.features;
  const richest = {
    ...poorer,
    name: 'richest',
    features: Object.entries({ none: 0, nor: 0, ...withEffects }).map(([name, weight]) => ({
      ...feature,
      name,
      weight,
    })),
    metricsOnly: { r: 0.5, mae: 0.03, penalty: 0.003, weights: metricsOnly },
  };
  const first = { ...poorer, features: [feature] };
  const asRich = {
    ...richest,
    name: 'as rich',
    features: richest.features.map((each) => ({ ...each, weight: 1 })),
  };
  return { ...ties, variants: [first, richest, asRich, effects] };
}

function fingerprintOf(methods: Record<string, MethodFingerprint>): Fingerprint {
  return exampleFingerprint({ methods });
}

const A = { a: 6, b: -5, c: 4, d: 3, e: 2, f: 1 };
/** b, c, e and f in place of a, b, c, d, e; of b, c, e, f the signs of b and e are other */
const B = { b: 5, c: 4, x: 3, e: -2.5, f: 2, y: 1 };

const weights = fc
  .dictionary(fc.constantFrom(...'abcdefgh'), fc.constantFrom(-3, -2, -1, 0, 1, 2, 3))
  .map((each) => weightsOf(methodOf(each).variants[1]));

describe('likeness', () => {
  it('is symmetric, in 0..1, and 1 for the same weights', () => {
    fc.assert(
      fc.property(weights, weights, (a, b) => {
        const { overlap, signs } = likeness(a, b);
        expect(likeness(b, a)).toEqual({ overlap, signs });
        for (const share of [overlap, signs]) {
          expect(share === null || (share >= 0 && share <= 1)).toBe(true);
        }
        const nothing = a.size === 0 ? null : 1;
        expect(likeness(a, a)).toEqual({ overlap: nothing, signs: nothing });
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe('compareMethods', () => {
  it('counts what two methods have in common among the five largest, and the signs that agree', () => {
    const { withEffects, metricsOnly } = compareMethods(
      fingerprintOf({ ties: methodOf(A, B), dare: methodOf(B, B) }),
    );
    // b, c and e of five; c and f of b, c, e, f
    expect(withEffects).toEqual({ pairs: 1, overlap: 3 / 5, signs: 2 / 4, notes: [] });
    expect(metricsOnly).toEqual({ pairs: 1, overlap: 1, signs: 1, notes: [] });
  });

  it('takes the mean over all pairs', () => {
    const { withEffects } = compareMethods(
      fingerprintOf({ ties: methodOf(A), dare: methodOf(B), tsv: methodOf(A) }),
    );
    expect(withEffects.pairs).toBe(3);
    expect(withEffects.overlap).toBeCloseTo((3 / 5 + 1 + 3 / 5) / 3, 12);
    expect(withEffects.signs).toBeCloseTo((0.5 + 1 + 0.5) / 3, 12);
  });

  it('does not depend on the order of the methods', () => {
    const method = weights.map((each) => methodOf(Object.fromEntries(each)));
    fc.assert(
      fc.property(fc.array(method, { minLength: 2, maxLength: 4 }), (methods) => {
        const named = methods.map((each, i): [string, MethodFingerprint] => [`m${i}`, each]);
        const forwards = compareMethods(fingerprintOf(Object.fromEntries(named))).withEffects;
        const backwards = compareMethods(fingerprintOf(Object.fromEntries(named.reverse()))).withEffects;
        for (const key of ['overlap', 'signs'] as const) {
          const [a, b] = [forwards[key], backwards[key]];
          expect(a === null ? b : Math.abs(a - (b as number)) < 1e-12).toBe(a === null ? null : true);
        }
      }),
      { seed: 2, numRuns: 50 },
    );
  });

  it('says why there is nothing to compare', () => {
    const alone = compareMethods(fingerprintOf({ ties: methodOf(A) })).withEffects;
    expect(alone).toEqual({
      pairs: 0,
      overlap: null,
      signs: null,
      notes: ['it takes two merge methods, and there are: ties'],
    });
    const apart = compareMethods(fingerprintOf({ ties: methodOf({ a: 1 }), dare: methodOf({ b: 1 }) }));
    expect(apart.withEffects).toMatchObject({ overlap: 0, signs: null });
    expect(apart.withEffects.notes).toEqual([
      'methods in which fewer than 5 metrics carry weight: ties (1), dare (1)',
      'no metric carries weight in both, so no signs to compare: ties and dare',
    ]);
    const empty = compareMethods(fingerprintOf({ ties: methodOf({ a: 0 }), dare: methodOf({ a: 0 }) }));
    expect(empty.withEffects).toMatchObject({ overlap: null, signs: null });
    expect(empty.withEffects.notes).toContain(
      'no metric carries weight in either, so no overlap: ties and dare',
    );
  });

  it('leaves pairs without a common metric out of the mean of signs, and names them', () => {
    const { withEffects } = compareMethods(
      fingerprintOf({ ties: methodOf(A), dare: methodOf(A), tsv: methodOf({ z: 1 }) }),
    );
    expect(withEffects.signs).toBe(1);
    expect(withEffects.overlap).toBeCloseTo(1 / 3, 12);
    expect(withEffects.notes.at(-1)).toContain('ties and tsv, dare and tsv');
  });
});

describe('compareFingerprints', () => {
  const one = fingerprintOf({ ties: methodOf(A), dare: methodOf(B), only: methodOf(A) });
  const other = fingerprintOf({ dare: methodOf(B), ties: methodOf(B, A), tsv: methodOf(A) });

  it('compares every method that both have, and names the others', () => {
    const { methods, mean, unshared } = compareFingerprints(one, other);
    expect(methods).toEqual({
      ties: { withEffects: { overlap: 0.6, signs: 0.5 }, metricsOnly: { overlap: 1, signs: 1 } },
      dare: { withEffects: { overlap: 1, signs: 1 }, metricsOnly: { overlap: 1, signs: 1 } },
    });
    expect(mean.withEffects).toEqual({ pairs: 2, overlap: 0.8, signs: 0.75, notes: [] });
    expect(unshared).toEqual(['only', 'tsv']);
  });

  it('is symmetric, and all ones for a fingerprint and itself', () => {
    expect(compareFingerprints(other, one).mean).toEqual(compareFingerprints(one, other).mean);
    const { methods, mean } = compareFingerprints(one, one);
    expect(Object.keys(methods)).toEqual(['ties', 'dare', 'only']);
    expect(mean.metricsOnly).toEqual({ pairs: 3, overlap: 1, signs: 1, notes: [] });
  });

  it('says so where no method is in both', () => {
    const { mean } = compareFingerprints(one, fingerprintOf({ tsv: methodOf(A) }));
    expect(mean.metricsOnly).toMatchObject({
      overlap: null,
      signs: null,
      notes: ['they have no merge method in common'],
    });
  });
});

describe('weights', () => {
  it('come largest first, without those that are zero', () => {
    const [, variant, , effects] = methodOf({ a: 1, z: -2, b: 1, none: 0 }, { q: -3, r: 0 }).variants;
    expect([...weightsOf(variant)]).toEqual([
      ['z', -2],
      ['a', 1],
      ['b', 1],
    ]);
    expect([...metricsOnlyWeights(variant)]).toEqual([['q', -3]]);
    expect(metricsOnlyWeights(effects).size).toBe(0);
  });
});

describe('chanceOf', () => {
  it('is five of them in five of them', () => {
    expect(chanceOf(28)).toEqual({ metrics: 28, overlap: 5 / 28, signs: 0.5 });
    expect(chanceOf(3).overlap).toBe(1);
  });
});
