import { type MemoryBudget, mebibytes } from './memory-budget.js';
import type { ReferenceStore } from './reference-store.js';

/** [R] what `hello` says of where each reference lies and how often it is watched; none where all lie on the device. */
export function placeLimits({ sizes, residence }: ReferenceStore, budget: MemoryBudget): string[][] {
  const { residents, period } = residence;
  if (residents.length === sizes.length) {
    return sizes.map(() => []);
  }
  const needed = sizes.reduce((sum, size) => sum + size, 0);
  const room = `all ${sizes.length} references need ${mebibytes(needed)} of the device, their budget is ${mebibytes(budget.bytes)} (${budget.source})`;
  const turn = period === 1 ? 'every tick' : `about every ${period} ticks`;
  return sizes.map((_, r) => [
    residents.includes(r)
      ? `${room}: this one lies there and is compared at every tick, until one that takes turns has a lower score`
      : `${room}: this one lies in main memory and is copied over to be compared at ${turn}, until its score is among the lowest; its subspaces are of every tick`,
  ]);
}
