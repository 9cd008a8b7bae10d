import type { Reference } from '../../src/reference/index.js';
import type { HostTensor } from '../../src/tensors/index.js';

/** A reference whose subspaces are at most k wide: the first columns of the top ones, the last of the bottom ones. */
export function narrowSubspaces(reference: Reference, k: number): Reference {
  const subspaces = new Map(
    [...reference.subspaces].map(([name, subspace]) => {
      const { left, right } = subspace;
      const isWide = subspace.k > k;
      return [name, isWide ? { k, left: columns(left, 0, k), right: columns(right, 0, k) } : subspace];
    }),
  );
  const bottoms = new Map(
    [...reference.bottoms].map(([name, bottom]) => {
      const width = bottom.shape[1];
      return [name, width > k ? columns(bottom, width - k, k) : bottom];
    }),
  );
  return { ...reference, subspaces, bottoms };
}

/** `count` columns of a matrix, from `start` on. */
function columns({ shape: [rows, width], data }: HostTensor, start: number, count: number): HostTensor {
  const kept = new Float32Array(rows * count);
  for (let row = 0; row < rows; row++) {
    kept.set(data.subarray(row * width + start, row * width + start + count), row * count);
  }
  return { shape: [rows, count], data: kept };
}
