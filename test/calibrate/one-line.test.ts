import { expect, it } from 'vitest';
import { oneLine } from '../../src/calibrate/one-line.js';
import { listProblems } from '../../src/tensors/index.js';

it('makes a sentence of a list of problems and leaves a line as it is', () => {
  expect(oneLine('a sentence: with - signs')).toBe('a sentence: with - signs');
  expect(oneLine(listProblems('it does not fit:', ['a is missing', 'b is too long']))).toBe(
    'it does not fit: a is missing; b is too long',
  );
  expect(oneLine('it ended\n\n  at once\n')).toBe('it ended: at once');
});
