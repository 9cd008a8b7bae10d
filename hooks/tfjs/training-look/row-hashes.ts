/**
 * A hash of 53 bits for each of `rows` rows of equal length, by value (float32). Null where all values of a row are the same: blank
 * samples are no more one sample than another.
 */
export function rowHashes(values: ArrayLike<number>, rows: number): (number | null)[] {
  const floats = values instanceof Float32Array ? values : Float32Array.from(values);
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const size = words.length / rows;
  return Array.from({ length: rows }, (_, row) => hashOf(words.subarray(row * size, (row + 1) * size)));
}

/** Two hashes of 32 bits in the manner of MurmurHash3. */
function hashOf(words: Uint32Array): number | null {
  let [first, second] = [0x9747b28c, 0x1b873593];
  let isBlank = true;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    isBlank &&= word === words[0];
    first = Math.imul(((first << 13) | (first >>> 19)) ^ Math.imul(word, 0xcc9e2d51), 0x85ebca6b);
    second = Math.imul(((second << 15) | (second >>> 17)) ^ Math.imul(word, 0x27d4eb2f), 0xc2b2ae35);
  }
  return isBlank ? null : mixed(first) * 2 ** 21 + (mixed(second) >>> 11);
}

/** Every bit of the result depends on every bit. */
function mixed(hash: number): number {
  let result = hash ^ (hash >>> 16);
  result = Math.imul(result, 0x85ebca6b);
  result ^= result >>> 13;
  result = Math.imul(result, 0xc2b2ae35);
  return (result ^ (result >>> 16)) >>> 0;
}
