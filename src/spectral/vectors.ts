/** Loops over stretches of float64 arrays, four sums side by side: one alone waits for each addition. */

/** sum of x[a + i] y[b + i] over `length` entries */
export function dotAt(x: Float64Array, a: number, y: Float64Array, b: number, length: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const whole = length - (length % 4);
  for (let i = 0; i < whole; i += 4) {
    s0 += x[a + i]! * y[b + i]!;
    s1 += x[a + i + 1]! * y[b + i + 1]!;
    s2 += x[a + i + 2]! * y[b + i + 2]!;
    s3 += x[a + i + 3]! * y[b + i + 3]!;
  }
  for (let i = whole; i < length; i++) {
    s0 += x[a + i]! * y[b + i]!;
  }
  return s0 + s1 + (s2 + s3);
}

/** y[b + i] += factor x[a + i] */
export function addScaled(
  factor: number,
  x: Float64Array,
  a: number,
  y: Float64Array,
  b: number,
  length: number,
): void {
  for (let i = 0; i < length; i++) {
    y[b + i]! += factor * x[a + i]!;
  }
}

/**
 * y <- (1 - factor v v^T) y for the two stretches of y at a and b, v being the first `length` entries: side by side, so that v is read
 * once for both.
 */
export function reflectPair(
  y: Float64Array,
  a: number,
  b: number,
  v: Float64Array,
  factor: number,
  length: number,
): void {
  let dotA = 0;
  let dotB = 0;
  let restA = 0;
  let restB = 0;
  const even = length - (length % 2);
  for (let i = 0; i < even; i += 2) {
    const v0 = v[i]!;
    const v1 = v[i + 1]!;
    dotA += v0 * y[a + i]!;
    dotB += v0 * y[b + i]!;
    restA += v1 * y[a + i + 1]!;
    restB += v1 * y[b + i + 1]!;
  }
  if (even < length) {
    dotA += v[even]! * y[a + even]!;
    dotB += v[even]! * y[b + even]!;
  }
  const factorA = factor * (dotA + restA);
  const factorB = factor * (dotB + restB);
  for (let i = 0; i < length; i++) {
    const vi = v[i]!;
    y[a + i]! -= factorA * vi;
    y[b + i]! -= factorB * vi;
  }
}

/** Brings x[at..at + length) to length one and gives the length it had; leaves zeros, and what is not finite, alone. */
export function normaliseAt(x: Float64Array, at: number, length: number): number {
  let largest = 0;
  for (let i = at; i < at + length; i++) {
    largest = Math.max(largest, Math.abs(x[i]!));
  }
  if (!(largest > 0) || !Number.isFinite(largest)) {
    return 0;
  }
  // Divided by the largest entry, so that squares neither vanish nor overflow.
  let sum = 0;
  for (let i = at; i < at + length; i++) {
    x[i]! /= largest;
    sum += x[i]! ** 2;
  }
  const unit = Math.sqrt(sum);
  for (let i = at; i < at + length; i++) {
    x[i]! /= unit;
  }
  return largest * unit;
}

/** Takes from row `v` of `rows` [.., n] what it has of the earlier rows; twice, since once leaves rounding. */
export function orthogonaliseAgainst(
  rows: Float64Array,
  n: number,
  v: number,
  earlier: readonly number[],
): void {
  for (let pass = 0; pass < 2; pass++) {
    for (const other of earlier) {
      const dot = dotAt(rows, v * n, rows, other * n, n);
      addScaled(-dot, rows, other * n, rows, v * n, n);
    }
  }
}

/** Makes `count` rows [count, n] orthonormal, one after the other. */
export function orthonormaliseRows(rows: Float64Array, n: number, count: number): void {
  const earlier: number[] = [];
  for (let v = 0; v < count; v++) {
    normaliseAt(rows, v * n, n);
    orthogonaliseAgainst(rows, n, v, earlier);
    normaliseAt(rows, v * n, n);
    earlier.push(v);
  }
}
