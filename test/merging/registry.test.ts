import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MERGE_METHODS, mergeMethod } from '../../src/merging/index.js';

describe('mergeMethod', () => {
  it.each([
    ['weight_avg', 'weight_avg', {}],
    ['task_arithmetic', 'task_arithmetic', { coefficient: 0.3 }],
    ['task_arithmetic@0.6', 'task_arithmetic@0.6', { coefficient: 0.6 }],
    ['task_arithmetic@0.30', 'task_arithmetic', { coefficient: 0.3 }],
    ['arithmetic', 'task_arithmetic', { coefficient: 0.3 }],
    ['arithmetic@1', 'task_arithmetic@1', { coefficient: 1 }],
    ['ties', 'ties', { coefficient: 1, density: 0.2, trim: 'model' }],
    ['ties@0.3', 'ties@0.3', { coefficient: 0.3, density: 0.2, trim: 'model' }],
    ['ties@density=0.1', 'ties@density=0.1', { coefficient: 1, density: 0.1 }],
    ['ties@density=0.1@coefficient=0.3', 'ties@0.3@density=0.1', { coefficient: 0.3, density: 0.1 }],
    ['ties@trim=tensor', 'ties@trim=tensor', { trim: 'tensor' }],
    ['ties@trim=model', 'ties', { trim: 'model' }],
    ['dare', 'dare', { coefficient: 1, density: 0.5, seed: 0 }],
    ['dare@seed=7@density=0.9', 'dare@density=0.9@seed=7', { coefficient: 1, density: 0.9, seed: 7 }],
    ['linear', 'linear', { weights: [], normalise: true }],
    ['linear@weights=0.3:0.7', 'linear@weights=0.3:0.7', { weights: [0.3, 0.7] }],
    [
      'linear@normalise=false@weights=1:-2:1e-7',
      'linear@weights=1:-2:1e-7@normalise=false',
      { weights: [1, -2, 1e-7], normalise: false },
    ],
    ['slerp@0.25', 'slerp@0.25', { t: 0.25 }],
    ['slerp@t=0.5', 'slerp', { t: 0.5 }],
    ['ties@0.3@density=0.2', 'ties@0.3', { coefficient: 0.3, density: 0.2, trim: 'model' }],
  ])('reads %s as %s', (id, canonical, parameters) => {
    expect(mergeMethod(id)).toMatchObject({ id: canonical, parameters });
  });

  it.each([
    ['karcher', 'unknown merge method "karcher"; known are weight_avg, task_arithmetic, ties, dare'],
    ['', 'unknown merge method ""; known are'],
    ['constructor', 'unknown merge method "constructor"'],
    ['weight_avg@0.5', 'merge method "weight_avg@0.5": weight_avg takes no value without a name'],
    [
      'ties@densty=0.5',
      'merge method "ties@densty=0.5": ties has no parameter "densty"; did you mean density?',
    ],
    ['ties@density=0.5@density=0.6', 'density is set twice'],
    ['weight_avg@much=1', 'weight_avg has no parameter "much"; it has none'],
    ['ties@', 'merge method "ties@": coefficient "" is not a number, as in ties@coefficient=0.5'],
    ['ties@much', 'merge method "ties@much": coefficient "much" is not a number'],
    ['ties@Infinity', 'coefficient "Infinity" is not a number'],
    ['ties@0.1@0.2', 'merge method "ties@0.1@0.2": it has more than one value without a name'],
    ['ties@trim=layer', 'trim = layer: '],
    ['ties@trim=', 'trim = : '],
    ['linear@weights=', 'weights "" is not a list of numbers, as in weights=0.3:0.7'],
    ['linear@weights=1:x', 'weights "1:x" is not a list of numbers'],
    ['linear@normalise=yes', 'normalise "yes" is neither true nor false'],
    ['linear@0.5', 'linear takes no value without a name'],
    ['dare@seed=0.5', 'seed = 0.5: '],
    ['task_arithmetic@-1', 'coefficient = -1: '],
    ['task_arithmetic@2.5', 'coefficient = 2.5: '],
  ])('refuses %s', (id, message) => {
    expect(() => mergeMethod(id)).toThrow(message);
  });

  it('reads back every id that it writes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MERGE_METHODS.filter(({ idParameter }) => idParameter !== null)),
        fc.double({ min: 1e-9, max: 1, noNaN: true }),
        ({ name, idParameter }, value) => {
          const first = mergeMethod(`${name}@${value}`);
          expect(first.parameters[idParameter!]).toBe(value);
          expect(mergeMethod(first.id).parameters).toEqual(first.parameters);
        },
      ),
      { seed: 20 },
    );
  });
});
