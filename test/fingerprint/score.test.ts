import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkFingerprint, scorePair } from '../../src/fingerprint/index.js';
import { scoreSchema } from '../../src/guard/events.js';
import { exampleFingerprint, exampleInput, exampleMetrics, exampleProbe } from './example.js';

const fingerprint = exampleFingerprint();

describe('scorePair', () => {
  it('adds intercept, weighted metrics and the effect of the reference', () => {
    const score = scorePair(fingerprint, exampleInput);
    expect(score.value).toBeCloseTo(0.9 + 0.01 - 0.02 + 0.03, 12);
    expect(score.low).toBeCloseTo(0.88, 12);
    expect(score.high).toBeCloseTo(0.96, 12);
    expect(score).toMatchObject({
      method: 'ties',
      level: 0.8,
      inDomain: true,
      outside: [],
      basis: ['metrics', 'effect'],
    });
    expect(score.contributions.map(({ feature }) => feature)).toEqual([
      'reference effect',
      'encoder_gradient_l2_distance',
      'task_vector_cosine_similarity',
    ]);
    expect(score.contributions[1].points).toBeCloseTo(-2, 12);
    expect(score.reason).toBeUndefined();
  });

  it('is what the vocabulary of events calls a score, in contributions too', () => {
    fc.assert(
      fc.property(
        fc.record({
          task_vector_cosine_similarity: fc.option(fc.double({ noNaN: true, min: -1, max: 1 })),
          effective_rank: fc.option(fc.double({ noNaN: true, min: 1, max: 2 })),
          encoder_gradient_l2_distance: fc.option(fc.double({ noNaN: true, min: 0, max: 1e9 })),
        }),
        fc.constantFrom('mnist', 'new', '__proto__', 'toString'),
        fc.boolean(),
        (values, reference, probed) => {
          const score = scorePair(fingerprint, {
            ...exampleInput,
            metrics: exampleMetrics(values),
            reference,
            selfProbe: probed ? exampleProbe : null,
          });
          scoreSchema.parse({ ...score, raw: null });
          if (values.task_vector_cosine_similarity === null) {
            // There is no task vector: of such a model nothing is predicted.
            expect(score).toMatchObject({ value: null, low: null, high: null, basis: [] });
            expect(score.reason).toMatch(/^not predicted: /);
            return;
          }
          expect(score.low).toBeLessThanOrEqual(score.value as number);
          expect(score.high).toBeGreaterThanOrEqual(score.value as number);
          const total = score.contributions.reduce((sum, { points }) => sum + points / 100, 0.9);
          expect(score.value).toBeCloseTo(total, 9);
        },
      ),
      { seed: 11, numRuns: 200 },
    );
  });

  it('gives an unknown reference the effect of a typical task and a wider interval', () => {
    const score = scorePair(fingerprint, { ...exampleInput, reference: 'new' });
    expect(score.value).toBeCloseTo(0.89, 12);
    expect(score.basis).toEqual(['metrics']);
    expect((score.high as number) - (score.value as number)).toBeCloseTo(Math.hypot(0.04, 1.2816 * 0.03), 4);
  });

  it('falls back to the next variant without gradients, and says so', () => {
    const metrics = exampleMetrics({
      task_vector_cosine_similarity: 0.1,
      effective_rank: 2,
      encoder_gradient_l2_distance: null,
    });
    const score = scorePair(fingerprint, { ...exampleInput, metrics });
    expect(score.value).toBeCloseTo(0.9 + 0.02 + 0.03, 12);
    expect(score.reason).toBe('predicted without encoder_gradient_l2_distance');
  });

  it('does not use gradients of another kind, and says so', () => {
    const score = scorePair(fingerprint, {
      ...exampleInput,
      gradientKinds: { live: 'ema', reference: 'calibration' },
    });
    expect(score.value).toBeCloseTo(0.95, 12);
    expect(score.reason).toBe(
      'gradient metrics not used: gradients are ema (live) and calibration (reference), ' +
        'the fingerprint was fitted on ema (live) and ema (reference)',
    );
  });

  it('does not need a metric without weight, but looks at its domain where it is there', () => {
    const without = exampleMetrics({ task_vector_cosine_similarity: 0.1, encoder_gradient_l2_distance: 2 });
    expect(scorePair(fingerprint, { ...exampleInput, metrics: without }).value).toBeCloseTo(0.92, 12);
    const far = { ...without, effective_rank: { value: 1.2 } };
    const score = scorePair(fingerprint, { ...exampleInput, metrics: far });
    expect(score.inDomain).toBe(false);
    expect(score.outside).toEqual([{ metric: 'effective_rank', value: 1.2, low: 1.8, high: 2.1 }]);
  });

  it('predicts from the effect alone where there are no metrics, and does not call that in domain', () => {
    const score = scorePair(fingerprint, { ...exampleInput, metrics: {} });
    expect(score.value).toBeCloseTo(0.93, 12);
    expect(score.basis).toEqual(['effect']);
    expect(score.inDomain).toBe(false);
    expect(score.reason).toMatch(/predicted without task_vector_cosine_similarity, encoder_gradient/);
    expect(scorePair(fingerprint, { ...exampleInput, metrics: {}, reference: 'new' }).basis).toEqual([
      'mean',
    ]);
  });

  it('combines with the self-probe by inverse variance', () => {
    // both have the same deviation: half of 0.92, half of 0.5 + 0.5 * 0.8
    const score = scorePair(fingerprint, { ...exampleInput, selfProbe: exampleProbe });
    expect(score.value).toBeCloseTo(0.91, 12);
    expect((score.high as number) - (score.value as number)).toBeCloseTo(0.02, 12);
    expect(score.basis).toEqual(['metrics', 'effect', 'self-probe']);
    const unknown = scorePair(fingerprint, { ...exampleInput, selfProbe: exampleProbe, reference: 'new' });
    // variance of the linear prediction twice as large: a third of 0.89, two thirds of 0.9
    expect(unknown.value).toBeCloseTo(0.89 / 3 + 0.6, 12);
  });

  it('leaves a self-probe out that does not fit, and says why', () => {
    const other = scorePair(fingerprint, { ...exampleInput, selfProbe: { ...exampleProbe, scale: 0.3 } });
    expect(other.value).toBeCloseTo(0.92, 12);
    expect(other.reason).toBe('self-probe not used: taken at scale 0.3, the fingerprint was fitted at 0.5');
    const dead = scorePair(fingerprint, {
      ...exampleInput,
      selfProbe: { ...exampleProbe, accuracy: 0, scaledAccuracy: 0 },
    });
    expect(dead.reason).toBe('self-probe not used: the live model has accuracy 0');
    const low = scorePair(fingerprint, {
      ...exampleInput,
      selfProbe: { ...exampleProbe, scaledAccuracy: 0.45 },
    });
    expect(low.outside).toEqual([{ metric: 'self-probe', value: 0.5, low: 0.6, high: 1 }]);
  });

  it('cuts to 0..1.2, and says so', () => {
    const high = exampleFingerprint();
    high.methods.ties.variants[0].intercept = 1.5;
    expect(scorePair(high, exampleInput)).toMatchObject({
      value: 1.2,
      high: 1.2,
      reason: 'the prediction of 1.52 was cut to 0..1.2',
    });
  });

  it('has no value for a method that it does not know', () => {
    expect(scorePair(fingerprint, { ...exampleInput, method: 'tsv' })).toMatchObject({
      value: null,
      inDomain: false,
      reason: 'the fingerprint example knows no method tsv',
    });
  });
});

describe('scorePair with merge probes', () => {
  const bad = { reference: 'mnist', difference: -0.1, samplingVariance: 0.0004 };
  const width = ({ low, high }: { low: number | null; high: number | null }) =>
    (high as number) - (low as number);

  it('shifts and tightens by the normal model, whose variances are those of the held-out errors', () => {
    const { offset, within } = fingerprint.methods.ties.variants[0].errors;
    const plain = scorePair(fingerprint, exampleInput);
    const score = scorePair(fingerprint, { ...exampleInput, probes: [bad] });
    // a probe of the pair itself: its whole error is observed, with the sampling variance
    const total = offset ** 2 + within ** 2;
    const share = total / (total + bad.samplingVariance);
    expect(score.value).toBeCloseTo((plain.value as number) - 0.1 * share, 9);
    expect(width(score) / width(plain)).toBeCloseTo(Math.sqrt((share * bad.samplingVariance) / total), 6);
    expect(score.uncorrected).toBe(plain.value);
    expect(score.basis).toContain('merge-probe');
    const total100 = score.contributions.reduce((sum, { points }) => sum + points, 90);
    expect(score.value).toBeCloseTo(total100 / 100, 9);
  });

  it('moves a reference that was not probed less', () => {
    const moved = (reference: string) => {
      const plain = scorePair(fingerprint, { ...exampleInput, reference });
      const score = scorePair(fingerprint, { ...exampleInput, reference, probes: [bad] });
      expect(width(score)).toBeLessThan(width(plain));
      return (plain.value as number) - (score.value as number);
    };
    expect(moved('greek')).toBeGreaterThan(0.01);
    expect(moved('greek')).toBeLessThan(moved('mnist'));
  });

  it('keeps more doubt about a reference that the fit does not know', () => {
    const corrected = (reference: string) =>
      scorePair(fingerprint, { ...exampleInput, reference, probes: [bad] });
    expect(width(corrected('new'))).toBeGreaterThan(width(corrected('greek')));
  });
});

describe('checkFingerprint', () => {
  const all = ['task_vector_cosine_similarity', 'effective_rank', 'encoder_gradient_l2_distance'];

  const offer = { gradientKinds: { live: 'ema', reference: 'ema' } };

  it('says when the gradients are of another kind than those of the fit', () => {
    const other = { live: 'ema', reference: 'calibration' };
    expect(checkFingerprint(fingerprint, { metrics: all, methods: ['ties'], gradientKinds: other })).toEqual([
      'gradient metrics are not used: gradients are ema (live) and calibration (reference), the fingerprint was fitted on ema (live) and ema (reference)',
    ]);
  });

  it('has nothing to say where everything is offered, and names what a poorer variant does without', () => {
    expect(checkFingerprint(fingerprint, { ...offer, metrics: all, methods: ['ties'] })).toEqual([]);
    expect(checkFingerprint(fingerprint, { ...offer, metrics: all.slice(0, 2), methods: ['ties'] })).toEqual([
      'ties: predicted by the variant "weights", since the stream does not offer encoder_gradient_l2_distance',
    ]);
  });

  it('refuses a stream that offers too little, and unknown methods, at once', () => {
    const check = () =>
      checkFingerprint(fingerprint, { ...offer, metrics: ['effective_rank'], methods: ['ties', 'dare'] });
    expect(check).toThrow(/ties needs task_vector_cosine_similarity, which this stream does not offer/);
    expect(check).toThrow(/dare is not in it; there are: ties/);
  });

  it('refuses one that predicts raw accuracy', () => {
    const raw = exampleFingerprint({ target: 'acc' });
    expect(() => checkFingerprint(raw, { ...offer, metrics: all, methods: ['ties'] })).toThrow(
      /predicts raw accuracy \(target acc\)/,
    );
  });
});
