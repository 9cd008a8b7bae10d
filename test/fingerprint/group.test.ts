import { beforeAll, describe, expect, it } from 'vitest';
import { type Fingerprint, fitFingerprint, type GroupRow, scoreGroup } from '../../src/fingerprint/index.js';
import { Random } from '../../src/tensors/random.js';
import { EFFECTS_OF, syntheticTable, TASKS } from './synthetic.js';

const GROWTH = 0.6;

/** Groups that lose what their pairs lose, times (k - 1) ** GROWTH, and a little noise. */
function syntheticGroups(): GroupRow[] {
  const random = new Random('groups');
  return Array.from({ length: 40 }, (_, i) => {
    const chosen = [...random.permutation(TASKS.length)].slice(0, 3 + (i % 3));
    const pairs = 0.9 + (2 * chosen.reduce((sum, t) => sum + EFFECTS_OF[t], 0)) / chosen.length;
    const loss = (1 - pairs) * (chosen.length - 1) ** GROWTH;
    return {
      tasks: chosen.map((t) => TASKS[t]),
      outcomes: { ties: 1 - loss + 0.002 * random.normal(), weight_avg: null },
    };
  });
}

describe('scoreGroup', () => {
  let fingerprint: Fingerprint;
  beforeAll(async () => {
    fingerprint = await fitFingerprint(syntheticTable(), {
      name: 'synthetic',
      target: 'normalized_acc',
      featureSets: { weights: ['signal', 'drag'] },
      penalties: 'default',
      gradientKind: null,
      relabellings: 0,
      groups: syntheticGroups(),
      provenance: { architecture: 'none', optimiser: 'none', source: 'drawn' },
    });
  });

  const predicted = (values: readonly (number | null)[]) =>
    values.map((value, i) => ({ reference: TASKS[i], value }));

  it('finds the growth that the groups were made with', () => {
    const { groups } = fingerprint.methods.ties;
    expect(groups?.rows).toBe(40);
    expect(Math.abs((groups?.growth ?? 0) - GROWTH)).toBeLessThan(0.1);
    expect(groups?.mae).toBeLessThan(0.08);
    expect(fingerprint.methods.weight_avg.groups).toBeNull();
  });

  it('takes its own pairs from their scores and the others from effects', () => {
    // references ant, bee, cat: their pairs have effects -0.06, -0.04, -0.02 around 0.9
    const score = scoreGroup(fingerprint, 'ties', predicted([0.8, 0.82, 0.84]));
    const others = (0.9 - 0.1 + (0.9 - 0.08) + (0.9 - 0.06)) / 3;
    expect(score.pairs).toBeCloseTo((3 * 0.82 + 3 * others) / 6, 1);
    expect(score.value).toBeCloseTo(1 - (1 - (score.pairs as number)) * 3 ** GROWTH, 1);
    expect(score.low).toBeLessThan(score.value as number);
    expect(score.references).toEqual(['ant', 'bee', 'cat']);
  });

  it('falls with every pair that gets worse and with every reference more', () => {
    const value = (values: number[]) => scoreGroup(fingerprint, 'ties', predicted(values)).value as number;
    expect(value([0.7, 0.8])).toBeLessThan(value([0.8, 0.8]));
    expect(value([0.8, 0.8, 0.8])).toBeLessThan(value([0.8, 0.8]));
  });

  it('is less sure of references that the fit does not know', () => {
    const width = (references: string[]) => {
      const { low, high } = scoreGroup(
        fingerprint,
        'ties',
        references.map((reference) => ({ reference, value: 0.8 })),
      );
      return (high as number) - (low as number);
    };
    expect(width(['dog', 'new'])).toBeGreaterThan(width(['dog', 'cat']));
    expect(width(['new', 'newer'])).toBeGreaterThan(width(['dog', 'new']));
  });

  it('only ranks where the fit has seen no group, and says so', () => {
    const score = scoreGroup(fingerprint, 'weight_avg', predicted([0.8, 0.82]));
    expect(score).toMatchObject({ value: null, low: null, high: null });
    expect(score.pairs).toBeGreaterThan(0.7);
    expect(score.reason).toContain('fitted on pairs only');
  });

  it('says which pair it lacks', () => {
    const score = scoreGroup(fingerprint, 'ties', predicted([0.8, null]));
    expect(score).toMatchObject({ value: null, pairs: null, reason: 'no score of bee' });
    expect(scoreGroup(fingerprint, 'ties', predicted([0.8])).reason).toContain('at least two references');
  });
});
