import { elementCount, type ValueRange } from '../../tensors/index.js';
import type { SharedTensor } from '../shared-tensors.js';

/** Values of one model that are read at a time, unless one row takes more. */
const STRETCH = 1 << 18;

/** A part of a tensor: whole rows, one after the other. */
export interface Stretch {
  readonly tensor: SharedTensor;
  readonly range: ValueRange;
}

/** A tensor in stretches of about equal length; in one where it must be looked at as a whole. */
export function stretchesOf(tensor: SharedTensor, isDivisible: boolean): Stretch[] {
  const { shape } = tensor;
  const size = elementCount(shape);
  if (!isDivisible || size <= STRETCH) {
    return [{ tensor, range: { start: 0, count: size } }];
  }
  const row = size / shape[0]!;
  const step = Math.max(1, Math.floor(STRETCH / row)) * row;
  const stretches: Stretch[] = [];
  for (let start = 0; start < size; start += step) {
    stretches.push({ tensor, range: { start, count: Math.min(step, size - start) } });
  }
  return stretches;
}
