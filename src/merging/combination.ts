/** A merge that is a sum: factor * (the sum of weights[m] * task vector m), in float64 and rounded to float32 once. */
export interface Combination {
  /** [k] one for each model, finite */
  readonly weights: readonly number[];
  readonly factor: number;
}

/** What one model has of a tensor: its task vector, or its weights, from which the base's are still to be taken. */
export interface Addend {
  readonly values: Values;
  readonly isTau: boolean;
  readonly weight: number;
}

type Values = Float32Array | Float64Array;

/** Sums that stay in the innermost cache while every model is added to them. */
const STRIP = 2048;

/** All models weigh the same. */
export function evenly(count: number, factor: number): Combination {
  return { weights: new Array(count).fill(1), factor };
}

/** The merged task vector. */
export function combine(taus: readonly Float32Array[], { weights, factor }: Combination): Float32Array {
  const out = new Float32Array(taus[0]!.length);
  const sums = new Float64Array(STRIP);
  // Model after model: twice as fast as all models value by value.
  for (let start = 0; start < out.length; start += STRIP) {
    const count = Math.min(STRIP, out.length - start);
    sums.fill(0);
    for (const [m, tau] of taus.entries()) {
      add(sums, tau, weights[m]!, start, count);
    }
    for (let i = 0; i < count; i++) {
      out[start + i] = factor * sums[i]!;
    }
  }
  return out;
}

/**
 * out = base + scale * combination of the models' task vectors, to the last bit as `combine` has it, in one go over the values. Ends at
 * the first value whose magnitude is not under `limit`, which NaN is not; everything from there on is as it was.
 * @param base may be `out` itself
 * @returns the place of that value, -1 where there is none
 */
export function addCombination(
  base: Values,
  addends: readonly Addend[],
  { factor, scale, limit }: { readonly factor: number; readonly scale: number; readonly limit: number },
  out: Values,
): number {
  const [one, other] = addends;
  if (addends.length === 2 && scale === 1 && isPlain(one!) && isPlain(other!)) {
    return addPair(base, one!.values, other!.values, factor, limit, out);
  }
  const sums = new Float64Array(STRIP);
  for (let start = 0; start < out.length; start += STRIP) {
    const count = Math.min(STRIP, out.length - start);
    sums.fill(0);
    for (const { values, isTau, weight } of addends) {
      if (isTau) {
        add(sums, values, weight, start, count);
      } else {
        addDifference(sums, values, base, weight, start, count);
      }
    }
    for (let i = 0; i < count; i++) {
      const value = base[start + i]! + scale * Math.fround(factor * sums[i]!);
      if (!(Math.abs(value) < limit)) {
        return start + i;
      }
      out[start + i] = value;
    }
  }
  return -1;
}

function isPlain({ isTau, weight }: Addend): boolean {
  return !isTau && weight === 1;
}

/** Most merges are of two checkpoints that weigh the same: without sums in between and factors of 1 it takes half the time. */
function addPair(
  base: Values,
  one: Values,
  other: Values,
  factor: number,
  limit: number,
  out: Values,
): number {
  for (let i = 0; i < out.length; i++) {
    const from = base[i]!;
    const value = from + Math.fround(factor * (Math.fround(one[i]! - from) + Math.fround(other[i]! - from)));
    if (!(Math.abs(value) < limit)) {
      return i;
    }
    out[i] = value;
  }
  return -1;
}

function add(sums: Float64Array, values: Values, weight: number, start: number, count: number): void {
  for (let i = 0; i < count; i++) {
    sums[i]! += weight * values[start + i]!;
  }
}

/** A task vector is rounded to float32, wherever it comes from. */
function addDifference(
  sums: Float64Array,
  values: Values,
  base: Values,
  weight: number,
  start: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    sums[i]! += weight * Math.fround(values[start + i]! - base[start + i]!);
  }
}
