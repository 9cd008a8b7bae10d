import fc from 'fast-check';
import { inverse, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import {
  correctByProbes,
  type ErrorPrior,
  type ProbeResidual,
  samplingVariance,
} from '../../src/fingerprint/run-offset.js';

/** The same by the textbook: covariance of everything, conditioned on what was observed. */
function byConditioning(probes: readonly ProbeResidual[], prior: ErrorPrior, reference: string) {
  const seen = Matrix.zeros(probes.length, probes.length);
  const across = Matrix.zeros(1, probes.length);
  probes.forEach((a, i) => {
    probes.forEach((_, j) => {
      seen.set(i, j, prior.offset + (i === j ? prior.pair(a.reference) + a.samplingVariance : 0));
    });
    across.set(0, i, prior.offset + (a.reference === reference ? prior.pair(reference) : 0));
  });
  const gain = across.mmul(inverse(seen));
  const differences = Matrix.columnVector(probes.map(({ difference }) => difference));
  return {
    shift: gain.mmul(differences).get(0, 0),
    variance: prior.offset + prior.pair(reference) - gain.mmul(across.transpose()).get(0, 0),
  };
}

const positive = fc.double({ min: 0.01, max: 2, noNaN: true });

describe('correctByProbes', () => {
  const prior: ErrorPrior = { offset: 0.0016, pair: () => 0.0009 };

  it('knows nothing without probes', () => {
    const { shift, variance } = correctByProbes([], prior, 'mnist');
    expect(shift).toBe(0);
    expect(variance).toBeCloseTo(0.0025, 12);
  });

  it('is the conditional distribution of the normal model', () => {
    const names = ['a', 'b', 'c', 'd'];
    fc.assert(
      fc.property(
        fc.subarray(names, { minLength: 1 }),
        fc.array(fc.tuple(fc.double({ min: -1, max: 1, noNaN: true }), positive), {
          minLength: 4,
          maxLength: 4,
        }),
        positive,
        fc.array(positive, { minLength: 4, maxLength: 4 }),
        fc.constantFrom(...names),
        (probed, values, offset, pairs, reference) => {
          const probes = probed.map((name, i) => ({
            reference: name,
            difference: values[i][0],
            samplingVariance: values[i][1],
          }));
          const drawn: ErrorPrior = { offset, pair: (name) => pairs[names.indexOf(name)] };
          const { shift, variance } = correctByProbes(probes, drawn, reference);
          const expected = byConditioning(probes, drawn, reference);
          expect(shift).toBeCloseTo(expected.shift, 9);
          expect(variance).toBeCloseTo(expected.variance, 9);
        },
      ),
      { seed: 11, numRuns: 300 },
    );
  });

  it('believes an exact probe of the pair itself, and learns from it of the others', () => {
    const exact = [{ reference: 'mnist', difference: -0.05, samplingVariance: 1e-12 }];
    const own = correctByProbes(exact, prior, 'mnist');
    expect(own.shift).toBeCloseTo(-0.05, 6);
    expect(own.variance).toBeCloseTo(0, 9);
    const other = correctByProbes(exact, prior, 'greek');
    expect(other.shift).toBeCloseTo((-0.05 * 0.0016) / 0.0025, 6);
    expect(other.variance).toBeLessThan(0.0025);
  });

  it('gives a probe of many samples more weight, and never widens', () => {
    const probe = (samples: number) => [
      { reference: 'mnist', difference: -0.05, samplingVariance: samplingVariance(0.8, samples) },
    ];
    const few = correctByProbes(probe(8), prior, 'greek');
    const many = correctByProbes(probe(512), prior, 'greek');
    expect(Math.abs(few.shift)).toBeLessThan(Math.abs(many.shift));
    expect(few.variance).toBeLessThan(0.0025);
    expect(many.variance).toBeLessThan(few.variance);
  });

  it('leaves a run without an offset of its own alone', () => {
    const probes = [{ reference: 'mnist', difference: 0.3, samplingVariance: 0.01 }];
    expect(correctByProbes(probes, { offset: 0, pair: () => 0.01 }, 'greek').shift).toBe(0);
  });
});

describe('samplingVariance', () => {
  it('is near p (1 - p) / n, and not zero where every sample was right', () => {
    expect(samplingVariance(0.8, 1000)).toBeCloseTo((0.8 * 0.2) / 1000, 5);
    expect(samplingVariance(1, 32)).toBeCloseTo(((33 / 34) * (1 / 34)) / 34, 9);
    expect(samplingVariance(0, 32)).toBeCloseTo(samplingVariance(1, 32), 12);
  });
});
