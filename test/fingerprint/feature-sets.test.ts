import { describe, expect, it } from 'vitest';
import { FEATURE_GROUPS, FEATURES, featureSets } from '../../src/fingerprint/index.js';
import { metricNames } from '../../src/metrics/index.js';
import { publishedMetrics, publishedMissing } from './published.js';

const { weights, slow, gradients, functional } = FEATURE_GROUPS;

describe('the groups of metrics', () => {
  it('have the 28 metrics, each once, and every one that the guard computes', () => {
    expect(FEATURES).toHaveLength(28);
    expect(new Set(FEATURES).size).toBe(28);
    expect(metricNames.filter((name) => !FEATURES.includes(name))).toEqual([]);
  });

  it.skipIf(publishedMissing)('are the columns of the published tables (they are in ../shared)', () => {
    expect([...FEATURES].sort()).toEqual([...publishedMetrics].sort());
  });
});

describe('featureSets', () => {
  it('has a variant for every subset of the other groups beside weights, the richest first', () => {
    const sets = featureSets('all', FEATURES) ?? {};
    expect(Object.keys(sets)).toHaveLength(8);
    expect(Object.keys(sets)[0]).toBe('weights+slow+gradients+functional');
    expect(new Set(Object.keys(sets))).toEqual(
      new Set([
        'weights+slow+gradients+functional',
        'weights+slow+gradients',
        'weights+slow+functional',
        'weights+gradients+functional',
        'weights+slow',
        'weights+gradients',
        'weights+functional',
        'weights',
      ]),
    );
    expect([...sets['weights+slow+gradients+functional']].sort()).toEqual([...FEATURES].sort());
    expect(sets.weights).toEqual([...weights]);
    expect(sets['weights+gradients']).toEqual([...weights, ...gradients]);
  });

  it('keeps to the groups that were asked for, in any order', () => {
    expect(featureSets('weights', FEATURES)).toEqual({ weights: [...weights] });
    expect(featureSets('gradients+weights', FEATURES)).toEqual({
      'weights+gradients': [...weights, ...gradients],
      weights: [...weights],
    });
    expect(featureSets('functional', FEATURES)).toEqual({ functional: [...functional] });
    expect(Object.keys(featureSets('slow+functional', FEATURES) ?? {})).toEqual([
      'slow+functional',
      'functional',
      'slow',
    ]);
  });

  it('keeps to the metrics that the table has, and leaves out a group of which it has none', () => {
    const present = [weights[0], weights[3], slow[1], 'something else'];
    expect(featureSets('all', present)).toEqual({
      'weights+slow': [weights[0], weights[3], slow[1]],
      weights: [weights[0], weights[3]],
    });
    expect(featureSets('all', [...gradients])).toEqual({ gradients: [...gradients] });
    expect(featureSets('all', [])).toEqual({});
    expect(featureSets('weights', [...gradients])).toEqual({});
  });

  it.each(['', 'weight', 'weights,gradients', 'weights+', 'all+weights', 'toString', 'Weights'])(
    'knows no group "%s"',
    (asked) => {
      expect(featureSets(asked, FEATURES)).toBeNull();
    },
  );
});
