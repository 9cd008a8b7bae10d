/**
 * Seeded pseudo-random numbers (mulberry32): the same seed gives the same numbers on every machine. Good
 * enough for shuffles, initial weights and drawn images; not for cryptography.
 */
export class Random {
  #state: number;

  /** Any number of parts make the seed, so that ("zoo", 3, "mnist") is a stream of its own. */
  constructor(...seed: readonly (string | number)[]) {
    let hash = 2166136261;
    for (const character of seed.join('\u0000')) {
      hash = Math.imul(hash ^ (character.codePointAt(0) as number), 16777619);
    }
    this.#state = hash >>> 0;
  }

  /** in [0, 1) */
  uniform(low = 0, high = 1): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return low + (high - low) * (((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296);
  }

  /** whole number in [0, below) */
  integer(below: number): number {
    return Math.floor(this.uniform() * below);
  }

  /** standard normal (Box and Muller) */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  normals(count: number, deviation = 1): Float32Array {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      values[i] = deviation * this.normal();
    }
    return values;
  }

  /** 0..count-1 in random order (Fisher and Yates) */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
