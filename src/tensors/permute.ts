/**
 * Row-major values with their axes in another order: axis i of the result is axis `permutation[i]` of `data`, as in
 * `tf.transpose`.
 */
export function permute(
  data: Float32Array,
  shape: readonly number[],
  permutation: readonly number[],
): Float32Array {
  const strides: number[] = new Array(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  }
  const sizes = permutation.map((axis) => shape[axis]!);
  const steps = permutation.map((axis) => strides[axis]!);
  const index: number[] = new Array(shape.length).fill(0);
  const result = new Float32Array(data.length);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = data[from]!;
    // Counts `index` up by one like an odometer and moves `from` along with it.
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      from += steps[axis]!;
      if (index[axis]! < sizes[axis]!) {
        break;
      }
      from -= steps[axis]! * sizes[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
