import { elementCount, formatShape } from '../tensors/index.js';
import type { ModelAtRest } from './model.js';
import type { NamedCheckpoint, Values } from './named-checkpoint.js';
import type { SharedTensor } from './shared-tensors.js';

/** Values compared at a time; the first stretch rules nearly every pair out. */
const STRETCH = 1 << 20;
const FIRST_STRETCH = 256;

/**
 * Matrices that are one weight stored twice (tied input and output embeddings): the same values as an earlier one in the base and in
 * every model. Name -> the earlier name. Counted twice they would weigh twice in every metric.
 */
export async function tiedTensors(
  base: NamedCheckpoint | null,
  models: readonly ModelAtRest[],
  tensors: readonly SharedTensor[],
): Promise<Map<string, string>> {
  const tied = new Map<string, string>();
  if (base === null) {
    return tied;
  }
  const byShape = new Map<string, SharedTensor[]>();
  for (const tensor of tensors) {
    // Vectors are often equal without being tied: all ones, all zeros.
    if (tensor.shape.length < 2) {
      continue;
    }
    const earlier = byShape.get(formatShape(tensor.shape)) ?? [];
    for (const candidate of earlier) {
      if (await isTied(base, models, candidate, tensor.name)) {
        tied.set(tensor.name, candidate.name);
        break;
      }
    }
    byShape.set(formatShape(tensor.shape), [...earlier, tensor]);
  }
  return tied;
}

async function isTied(
  base: NamedCheckpoint,
  models: readonly ModelAtRest[],
  { name: one, shape }: SharedTensor,
  other: string,
): Promise<boolean> {
  if (models.some((model) => model.form(one) !== model.form(other) || model.form(one) === 'low-rank')) {
    return false;
  }
  const size = elementCount(shape);
  let start = 0;
  while (start < size) {
    const range = { start, count: Math.min(start === 0 ? FIRST_STRETCH : STRETCH, size - start) };
    if (!isSame(await base.read(one, range), await base.read(other, range))) {
      return false;
    }
    for (const model of models) {
      if (model.form(one) !== 'dense') {
        continue;
      }
      const a = await model.tau(one, range, () => base.read(one, range));
      const b = await model.tau(other, range, () => base.read(other, range));
      if (!isSame(a, b)) {
        return false;
      }
    }
    start += range.count;
  }
  return true;
}

function isSame(a: Values, b: Values): boolean {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) {
      return false;
    }
  }
  return true;
}
