import { describe, expect, it } from 'vitest';
import { checkTerm, TERMS, termNamed } from '../../src/steering/index.js';
import { MergeguardError } from '../../src/tensors/errors.js';

const KNOWN =
  'merge_simulation, scale_jitter, sharpness, gradient_norm, proximal, subspace, alignment, functional, hold';

describe('termNamed', () => {
  it('finds every term', () => {
    for (const info of TERMS) {
      expect(termNamed(info.name)).toBe(info);
    }
  });

  it.each([
    ['sharpnes', `unknown steering term "sharpnes"; did you mean sharpness? Known are ${KNOWN}`],
    ['dropout', `unknown steering term "dropout"; known are ${KNOWN}`],
    ['', `unknown steering term ""; known are ${KNOWN}`],
  ])('refuses %j', (name, message) => {
    expect(() => termNamed(name)).toThrow(new MergeguardError(message));
  });
});

describe('checkTerm', () => {
  it('fills in what is left out', () => {
    const { info, options } = checkTerm('scale_jitter', { strength: 0.5, high: 0.6 });
    expect(info.name).toBe('scale_jitter');
    expect(options).toEqual({
      strength: 0.5,
      low: 0.5,
      high: 0.6,
      every: 1,
      probability: 1,
      from: 0,
      form: 'in_place',
      chain: false,
    });
    expect(checkTerm('proximal').options.strength).toBe(0);
  });

  it.each([
    ['scale_jiter', {}, /did you mean scale_jitter/],
    ['proximal', { every: 2 }, 'proximal.every is unknown; known here: strength'],
    ['sharpness', { radios: 1 }, 'sharpness.radios is unknown; did you mean sharpness.radius?'],
    [
      'sharpness',
      { strength: 2 },
      'sharpness.strength is 2 (number), but must be a number of at least 0 and at most 1',
    ],
    [
      'merge_simulation',
      { low: 0.5, high: 0.4 },
      'merge_simulation.high is 0.4, but must be at least low (0.5)',
    ],
    [
      'merge_simulation',
      { partner: 'anyone' },
      'merge_simulation.partner is "anyone" (string), but must be "auto" or "reference" or "random" or "none"',
    ],
  ])('refuses %s %j', (name, options, message) => {
    expect(() => checkTerm(name, options)).toThrow(MergeguardError);
    expect(() => checkTerm(name, options)).toThrow(message);
  });

  it('names all that is wrong at once', () => {
    expect(() => checkTerm('sharpness', { strength: -1, every: 0, rho: 1 })).toThrow(
      /^parameters of the term sharpness:\n {2}- .*strength is -1.*\n {2}- .*every is 0.*\n {2}- sharpness.rho is unknown/,
    );
  });

  it('says the same when a term is started', () => {
    const options = { strength: 11 };
    const said = (run: () => unknown) => {
      try {
        return run();
      } catch (error) {
        return (error as Error).message;
      }
    };
    const context = { tensors: [], references: [], activations: null, random: null as never };
    for (const info of TERMS) {
      const message = said(() => checkTerm(info.name, options));
      expect(message).toMatch(
        new RegExp(`^${info.name}\\.strength is 11 \\(number\\), but must be a number`),
      );
      expect(said(() => info.start(options, context))).toBe(message);
    }
  });
});
