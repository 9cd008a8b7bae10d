import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyTau, configureMerge, mergeMethod } from '../../src/merging/index.js';
import type { NamedTensors } from '../../src/tensors/index.js';
import { fill, flat, randomTau, SHAPES, slow } from './slow-merges.js';

const seeds = fc.integer({ min: 0, max: 1e6 });
const places = fc.double({ min: 0, max: 1, noNaN: true });
const runs = { seed: 20, numRuns: 100 };
const names = Object.keys(SHAPES);

function valuesOf(tensors: NamedTensors, name: string): number[] {
  return [...tensors.get(name)!.data];
}

/** The slow version's task vector, from weights in float64. */
function slowTau(base: NamedTensors, taus: readonly NamedTensors[], t: number): number[] {
  return names.flatMap((name) => {
    const [a, b] = taus.map((tau) => slow.sum([valuesOf(base, name), valuesOf(tau, name)]));
    const merged = slow.slerp(a!, b!, t);
    return merged.map((value, i) => value - valuesOf(base, name)[i]!);
  });
}

function expectClose(found: readonly number[], expected: readonly number[]): void {
  found.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-6 * (1 + Math.abs(expected[i]!)));
  });
}

describe('slerp', () => {
  it('equals the slow version, on the arc and where it is a line', () => {
    fc.assert(
      // at 0.01 of the base models are nearly colinear, at 0.05 just not any more, at 1 and 100 far from it
      fc.property(seeds, places, fc.constantFrom(0.01, 0.05, 1, 100), (seed, t, size) => {
        const base = randomTau(false, seed, 'base');
        const taus = [1, 2].map((m) => {
          const tau = randomTau(false, seed, m);
          return fill((name, i) => size * tau.get(name)!.data[i]!);
        });
        expectClose(flat(configureMerge('slerp', { t }).merge(taus, base)), slowTau(base, taus, t));
      }),
      runs,
    );
  });

  it('goes from the first model at t = 0 to the second at t = 1', () => {
    const base = randomTau(false, 'base');
    const taus = [randomTau(false, 1), randomTau(false, 2)];
    expectClose(flat(mergeMethod('slerp@0').merge(taus, base)), flat(taus[0]!));
    expectClose(flat(mergeMethod('slerp@1').merge(taus, base)), flat(taus[1]!));
  });

  it('at t is what it is at 1 - t with the models in the other order', () => {
    fc.assert(
      fc.property(seeds, places, (seed, t) => {
        const base = randomTau(false, seed, 'base');
        const taus = [randomTau(false, seed, 1), randomTau(false, seed, 2)];
        expectClose(
          flat(configureMerge('slerp', { t }).merge(taus, base)),
          flat(configureMerge('slerp', { t: 1 - t }).merge([...taus].reverse(), base)),
        );
      }),
      runs,
    );
  });

  it('keeps the norm of tensors of one norm, at equal angles', () => {
    const zero = fill(() => 0);
    const unit = (seed: number) => {
      const tau = randomTau(false, seed);
      return fill((name, i) => tau.get(name)!.data[i]! / Math.hypot(...tau.get(name)!.data));
    };
    const taus = [unit(1), unit(2)];
    const merged = mergeMethod('slerp@0.25').merge(taus, zero);
    for (const name of names) {
      const [a, b, found] = [...taus, merged].map((tensors) => valuesOf(tensors, name));
      expect(Math.hypot(...found!)).toBeCloseTo(1, 5);
      const angle = Math.acos(slow.dot(a!, b!));
      expect(Math.acos(slow.dot(a!, found!))).toBeCloseTo(0.25 * angle, 4);
    }
  });

  it('gives a model merged with itself back, to the bit where t is a half', () => {
    const tau = randomTau(false, 1);
    const base = randomTau(false, 'base');
    expect(flat(mergeMethod('slerp').merge([tau, tau], base))).toEqual(flat(tau));
    expectClose(flat(mergeMethod('slerp@0.3').merge([tau, tau], base)), flat(tau));
  });

  it('takes the straight line where a model has no direction, or the opposite one', () => {
    const base = randomTau(false, 'base');
    const other = randomTau(false, 1);
    const gone = fill((name, i) => -base.get(name)!.data[i]!);
    const merged = mergeMethod('slerp@0.25').merge([gone, other], base);
    expectClose(
      flat(applyTau(base, merged)),
      flat(applyTau(base, other)).map((value) => 0.25 * value),
    );
    const opposite = fill((name, i) => -2 * base.get(name)!.data[i]! - other.get(name)!.data[i]!);
    expectClose(
      flat(applyTau(base, mergeMethod('slerp@0.25').merge([opposite, other], base))),
      flat(applyTau(base, other)).map((value) => -0.5 * value),
    );
  });

  it('merges two models, no more', () => {
    const taus = [1, 2, 3].map((seed) => randomTau(false, seed));
    const base = randomTau(false, 'base');
    expect(() => mergeMethod('slerp').merge(taus, base)).toThrow('slerp merges exactly 2 models here, got 3');
  });

  it('refuses a base of other shapes', () => {
    const taus = [randomTau(false, 1), randomTau(false, 2)];
    const base = new Map(randomTau(false, 'base'));
    base.delete('norm.weight');
    expect(() => mergeMethod('slerp').merge(taus, base)).toThrow(/do not fit the base|norm\.weight/);
  });

  it.each([[{ t: -0.1 }], [{ t: 1.1 }], [{ t: Number.NaN }], [{ t: '0.5' }]])('refuses %o', (parameters) => {
    expect(() => configureMerge('slerp', parameters)).toThrow(`t = ${parameters.t}: `);
  });
});
