import {
  bottomDecider,
  columnsOf,
  isAboveRounding,
  numericalRank,
  type Sides,
  SPECTRUM_LENGTH,
  type SpectralParts,
} from '../spectral/index.js';

/**
 * Stored parts as a decomposition with this k would give them, whatever k the reference was made with; undefined where they do not
 * hold enough for it.
 */
export function fittedParts(
  stored: SpectralParts,
  sides: Sides,
  { k: most, bottom: isWanted }: { readonly k: number; readonly bottom: boolean },
): SpectralParts | undefined {
  const wanted = Math.min(most, numericalRank(stored.values, sides));
  if (stored.k < wanted) {
    return undefined;
  }
  const bottom = isWanted ? fittedBottom(stored, sides, most) : null;
  if (bottom === undefined) {
    return undefined;
  }
  const k = Math.min(most, stored.k);
  return {
    values: stored.values,
    k,
    left: columnsOf(stored.left, stored.k, 0, k),
    right: columnsOf(stored.right, stored.k, 0, k),
    bottom,
  };
}

/** Null where there is none, undefined where that can not be told or too little is stored. */
function fittedBottom(
  { bottom, k, values }: SpectralParts,
  sides: Sides,
  most: number,
): Float64Array | null | undefined {
  const wanted = Math.min(most, sides.rows, sides.columns);
  const width = bottom === null ? 0 : bottom.length / sides.columns;
  if (width === wanted) {
    return bottom;
  }
  // Of k directions or more none was determined: then of fewer neither.
  if (bottom === null && k >= wanted) {
    return null;
  }
  // A bottom of another width stands or falls with another singular value.
  const isThere = isDetermined(values, sides, wanted);
  if (isThere === false) {
    return null;
  }
  return isThere === true && bottom !== null && width > wanted
    ? columnsOf(bottom, width, width - wanted, width)
    : undefined;
}

/** Undefined where the singular value that decides is not among those that are stored. */
function isDetermined(values: Float64Array, sides: Sides, k: number): boolean | undefined {
  const place = bottomDecider(sides, k);
  const last = Math.min(place, values.length - 1);
  const isAbove = isAboveRounding(values[last]!, values[0]!);
  // They descend; where there are fewer than could be stored, the others are 0.
  if (last === place || !isAbove) {
    return isAbove;
  }
  return values.length < SPECTRUM_LENGTH ? false : undefined;
}
