import { expect, it } from 'vitest';
import { narrowSubspaces } from '../../../hooks/tfjs/narrow-subspaces.js';
import { makeReference } from '../../../src/reference/index.js';
import type { HostTensor } from '../../../src/tensors/index.js';
import { randomTensors, type Shapes, sum } from './random-models.js';

const shapes: Shapes = {
  'up/kernel': [23, 31],
  'down.weight': [31, 19],
  'thin/kernel': [3, 7],
  'norm/gamma': [5],
};
const base = randomTensors(shapes, 0.5, 'base');
const model = sum(base, randomTensors(shapes, 0.1, 'tau'));
const made = (k: number) => makeReference({ name: 'r', base, model, k });

/** But for the signs of singular vectors, which are arbitrary. */
function expectSame(found: HostTensor, expected: HostTensor): void {
  expect(found.shape).toEqual(expected.shape);
  expected.data.forEach((value, i) => {
    expect(Math.abs(found.data[i])).toBeCloseTo(Math.abs(value), 5);
  });
}

it.each([1, 2, 5, 9, 10, 12])('subspaces of width 10, narrowed to %i, are those made of that width', (k) => {
  const narrow = narrowSubspaces(made(10), k);
  const expected = made(Math.min(k, 10));
  expect([...narrow.subspaces.keys()]).toEqual([...expected.subspaces.keys()]);
  for (const [name, { k: width, left, right }] of expected.subspaces) {
    const found = narrow.subspaces.get(name)!;
    expect(found.k).toBe(width);
    expectSame(found.left, left);
    expectSame(found.right, right);
  }
  expect(narrow.bottoms.size).toBe(expected.bottoms.size);
  for (const [name, bottom] of expected.bottoms) {
    expectSame(narrow.bottoms.get(name)!, bottom);
  }
  expect(expected.bottoms.size).toBeGreaterThan(0);
});
