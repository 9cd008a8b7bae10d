const HALF = 1 << 16;

/**
 * The count-th largest magnitude (1: the largest) of a vector that is seen piece by piece, twice over. Exact, in linear
 * time and without a copy: the bits of a non-negative float32 sort like the number, so one histogram of the upper 16 bits
 * finds the bin, a second one of the lower 16 the value. The values must be finite.
 */
export class MagnitudeThreshold {
  /** values seen in the first pass */
  count = 0;
  readonly #upper = new Uint32Array(HALF);
  readonly #lower = new Uint32Array(HALF);
  #bin = -1;
  /** which entry from the top it is inside that bin */
  #left = 0;

  /** The first pass. */
  addUpper(values: Float32Array): void {
    this.count += values.length;
    for (const word of wordsOf(values)) {
      this.#upper[(word & 0x7fffffff) >>> 16]! += 1;
    }
  }

  /** Between the passes. @param count 1..this.count */
  choose(count: number): void {
    [this.#bin, this.#left] = descend(this.#upper, count);
  }

  /** The second pass, over the same values. */
  addLower(values: Float32Array): void {
    const bin = this.#bin;
    for (const word of wordsOf(values)) {
      if ((word & 0x7fffffff) >>> 16 === bin) {
        this.#lower[word & (HALF - 1)]! += 1;
      }
    }
  }

  /** After both. */
  value(): number {
    const [low] = descend(this.#lower, this.#left);
    return new Float32Array(Uint32Array.of(this.#bin * HALF + low).buffer)[0]!;
  }
}

/** The bits of the values, without a copy. */
export function wordsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
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
