import { LEAST_GROUPS } from '../fingerprint/fit-groups.js';
import { MergeguardError, Random } from '../tensors/index.js';
import type { PoolSettings } from './pool-schema.js';

/**
 * Different groups of models, drawn at random, the same ones for the same seed; all there are where fewer than asked.
 * @returns places of models, ascending
 * @throws MergeguardError where the pool has too few models for a size, or there are too few groups for a fit
 */
export function drawGroups(settings: PoolSettings['groups'], models: number): number[][] {
  if (settings === undefined) {
    return [];
  }
  const { sizes, each, seed } = settings;
  const groups: number[][] = [];
  for (const size of new Set(sizes)) {
    if (size > models) {
      throw new MergeguardError(`groups of ${size} can not be drawn from ${models} models`);
    }
    groups.push(...drawSize(size, models, each, new Random('calibration groups', size, seed)));
  }
  if (groups.length < LEAST_GROUPS) {
    throw new MergeguardError(
      `groups: ${groups.length} different ones; a fit of groups needs at least ${LEAST_GROUPS}, of all sizes together`,
    );
  }
  return groups;
}

function drawSize(size: number, models: number, most: number, random: Random): number[][] {
  const count = Math.min(most, subsets(models, size));
  const drawn = new Map<string, number[]>();
  while (drawn.size < count) {
    const group = [...random.permutation(models).subarray(0, size)].sort((a, b) => a - b);
    drawn.set(group.join(), group);
  }
  return [...drawn.values()];
}

/** n over k */
function subsets(n: number, k: number): number {
  let count = 1;
  for (let i = 1; i <= k; i++) {
    count = (count * (n - k + i)) / i;
  }
  return Math.round(count);
}
