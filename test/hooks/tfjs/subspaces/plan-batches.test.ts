import { expect, it } from 'vitest';
import { planBatches } from '../../../../hooks/tfjs/subspaces/plan-batches.js';

const matrices = (...kinds: string[]) => kinds.map((kind, tensor) => ({ tensor, kind, elements: 10 }));

it('stacks what is of one kind, whatever lies between', () => {
  expect(planBatches(matrices('a', 'b', 'a', 'c', 'b', 'a'), 1000)).toEqual([[0, 2, 5], [1, 4], [3]]);
});

it('begins another batch where one is full', () => {
  expect(planBatches(matrices('a', 'a', 'b', 'a', 'a', 'a'), 29)).toEqual([[0, 1], [2], [3, 4], [5]]);
});

it('leaves a matrix alone that has more elements than may be stacked', () => {
  expect(planBatches(matrices('a', 'a', 'b'), 0)).toEqual([[0], [1], [2]]);
});
