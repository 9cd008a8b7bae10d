import type { Values } from './named-checkpoint.js';

/** Two models by their index. */
export type IndexPair = readonly [number, number];

/** Sums of one stretch of task vectors, in float64. */
export interface BlockSums {
  /** [N] ‖a‖² */
  readonly norms: Float64Array;
  /** [P] a.b of the asked pairs */
  readonly dots: Float64Array;
  /** [P] ‖a - b‖², summed directly: norms minus dots cancel for models near each other */
  readonly distances: Float64Array;
}

/** Values that stay in the innermost cache while all pairs go over them. */
const STRIP = 2048;

/** O((N + P) length) for N task vectors of one length and P pairs. */
export function blockSums(vectors: readonly Values[], pairs: readonly IndexPair[]): BlockSums {
  const sums: BlockSums = {
    norms: new Float64Array(vectors.length),
    dots: new Float64Array(pairs.length),
    distances: new Float64Array(pairs.length),
  };
  const length = vectors[0]?.length ?? 0;
  const found = { dot: 0, distance: 0 };
  for (let start = 0; start < length; start += STRIP) {
    const end = Math.min(start + STRIP, length);
    for (let v = 0; v < vectors.length; v++) {
      sums.norms[v]! += squareSum(vectors[v]!, start, end);
    }
    for (let p = 0; p < pairs.length; p++) {
      const [a, b] = pairs[p]!;
      addPair(vectors[a]!, vectors[b]!, start, end, found);
      sums.dots[p]! += found.dot;
      sums.distances[p]! += found.distance;
    }
  }
  return sums;
}

function squareSum(x: Values, start: number, end: number): number {
  let s0 = 0;
  let s1 = 0;
  let i = start;
  for (; i + 1 < end; i += 2) {
    s0 += x[i]! * x[i]!;
    s1 += x[i + 1]! * x[i + 1]!;
  }
  if (i < end) {
    s0 += x[i]! * x[i]!;
  }
  return s0 + s1;
}

/** Two sums side by side each: one alone waits for every addition. */
function addPair(
  x: Values,
  y: Values,
  start: number,
  end: number,
  found: { dot: number; distance: number },
): void {
  let dot0 = 0;
  let dot1 = 0;
  let distance0 = 0;
  let distance1 = 0;
  let i = start;
  for (; i + 1 < end; i += 2) {
    const x0 = x[i]!;
    const y0 = y[i]!;
    const x1 = x[i + 1]!;
    const y1 = y[i + 1]!;
    dot0 += x0 * y0;
    dot1 += x1 * y1;
    distance0 += (x0 - y0) * (x0 - y0);
    distance1 += (x1 - y1) * (x1 - y1);
  }
  if (i < end) {
    dot0 += x[i]! * y[i]!;
    distance0 += (x[i]! - y[i]!) * (x[i]! - y[i]!);
  }
  found.dot = dot0 + dot1;
  found.distance = distance0 + distance1;
}
