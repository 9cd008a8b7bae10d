/** Cosine of two vectors of singular values; the shorter one goes on with zeros. */
export function spectrumCosine(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let dot = 0;
  let xx = 0;
  let yy = 0;
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const [a, b] = [x[i] ?? 0, y[i] ?? 0];
    dot += a * b;
    xx += a * a;
    yy += b * b;
  }
  return dot / Math.sqrt(xx * yy);
}

/** A basis [length, width], row-major; of its columns only the first `count`, where that is given. */
export interface Basis {
  readonly data: Float32Array | Float64Array;
  readonly width: number;
  readonly count?: number;
}

/** ‖X^T Y‖_F² of the columns of two bases of one length. O(length k²) */
export function squaredOverlap(x: Basis, y: Basis): number {
  const length = x.width > 0 ? x.data.length / x.width : 0;
  const [across, down] = [x.count ?? x.width, y.count ?? y.width];
  const products = new Float64Array(across * down);
  for (let i = 0; i < length; i++) {
    for (let a = 0; a < across; a++) {
      const value = x.data[i * x.width + a]!;
      for (let b = 0; b < down; b++) {
        products[a * down + b]! += value * y.data[i * y.width + b]!;
      }
    }
  }
  let sum = 0;
  for (const product of products) {
    sum += product * product;
  }
  return sum;
}

/** Some columns of a basis [length, width], row-major: [length, to - from]. */
export function columnsOf(basis: Float64Array, width: number, from: number, to: number): Float64Array {
  return basis.filter((_, i) => i % width >= from && i % width < to);
}
