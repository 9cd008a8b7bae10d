/** Task vectors are differences of float32 (or narrower) weights: a share of the largest singular value that is rounding. */
const FLOAT32_EPSILON = 2 ** -23;

/** Which matrix, by its sides. */
export interface Sides {
  readonly rows: number;
  readonly columns: number;
}

/**
 * How many of a matrix' singular values (descending) stand out of float32 rounding, so that their singular vectors are no
 * noise: the top subspaces are no wider.
 */
export function numericalRank(values: ArrayLike<number>, { rows, columns }: Sides): number {
  const noise = values[0]! * Math.max(rows, columns) * FLOAT32_EPSILON;
  let rank = 0;
  while (rank < values.length && values[rank]! > noise) {
    rank += 1;
  }
  return rank;
}

/**
 * Place, in the descending list of all min(rows, columns) singular values, of the one that must be no rounding for the last k right
 * singular vectors to be determined. Those of a wide matrix come from left ones by dividing by the singular value, so
 * that all of them must stand out; else it is enough that the last k do from the rest.
 */
export function bottomDecider({ rows, columns }: Sides, k: number): number {
  return rows >= columns ? Math.max(columns - k - 1, 0) : rows - 1;
}

/** Whether a singular value at the lower end is more than rounding of the largest. */
export function isAboveRounding(value: number, largest: number): boolean {
  return value > largest * FLOAT32_EPSILON;
}
