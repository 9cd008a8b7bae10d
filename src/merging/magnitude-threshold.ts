import type { NamedTensors } from '../tensors/index.js';

const HALF = 1 << 16;

/**
 * The count-th largest magnitude (1: the largest) over all values of all tensors taken as one vector. Exact, in
 * linear time and without a copy: the bits of a non-negative float32 sort like the number, so one histogram of
 * the upper 16 bits finds the bin, a second one of the lower 16 the value. `count` must be 1..number of values,
 * the values finite.
 */
export function magnitudeThreshold(tensors: NamedTensors, count: number): number {
  const upper = new Uint32Array(HALF);
  const lower = new Uint32Array(HALF);
  forEachMagnitude(tensors, (bits) => {
    upper[bits >>> 16]! += 1;
  });
  const [high, left] = descend(upper, count);
  forEachMagnitude(tensors, (bits) => {
    if (bits >>> 16 === high) {
      lower[bits & (HALF - 1)]! += 1;
    }
  });
  const [low] = descend(lower, left);
  return new Float32Array(Uint32Array.of(high * HALF + low).buffer)[0]!;
}

/** The bin that holds the count-th entry from the top, and which one from the top it is inside that bin. */
function descend(histogram: Uint32Array, count: number): [bin: number, left: number] {
  let left = count;
  for (let bin = histogram.length - 1; bin > 0; bin--) {
    if (left <= histogram[bin]!) {
      return [bin, left];
    }
    left -= histogram[bin]!;
  }
  return [0, left];
}

function forEachMagnitude(tensors: NamedTensors, visit: (bits: number) => void): void {
  for (const { data } of tensors.values()) {
    const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
    for (const word of words) {
      visit(word & 0x7fffffff);
    }
  }
}
