import * as tf from '@tensorflow/tfjs';

/**
 * Bytes that references may take of a backend's memory. The wasm heap ends at 2 GiB and takes the process with it: a
 * quarter of that. Others say themselves when they are full.
 */
const MEMORY: Readonly<Record<string, number>> = { wasm: 2 ** 29 };

/** How much of the backend's memory references have taken, and may. */
export class ReferenceMemory {
  #left: number;

  /** `bytes` defaults to what the active backend has for it */
  constructor(bytes = MEMORY[tf.getBackend()] ?? Number.POSITIVE_INFINITY) {
    this.#left = bytes;
  }

  /** Whether this many bytes more still fit; if so, they are taken. */
  take(bytes: number): boolean {
    const fits = bytes <= this.#left;
    this.#left -= fits ? bytes : 0;
    return fits;
  }
}

/** One number a watched parameter, of one reference, in the chunks of a FlatLayout. */
export class ReferenceVectors {
  readonly #chunks: readonly (tf.Tensor1D | Float32Array)[];
  /** kept in main memory, for want of room in the backend's, and copied over whenever they are asked for */
  readonly isOnHost: boolean;

  constructor(chunks: readonly Float32Array[], memory: ReferenceMemory) {
    const bytes = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.isOnHost = !memory.take(bytes);
    this.#chunks = this.isOnHost ? chunks : chunks.map((values) => tf.keep(tf.tensor1d(values)));
  }

  /** Chunk c. Call it inside tf.tidy. */
  chunk(c: number): tf.Tensor1D {
    const found = this.#chunks[c];
    return found instanceof Float32Array ? tf.tensor1d(found) : found;
  }

  /** `size` numbers of chunk c from `offset` on. Call it inside tf.tidy. */
  slice(c: number, offset: number, size: number): tf.Tensor1D {
    const found = this.#chunks[c];
    return found instanceof Float32Array
      ? tf.tensor1d(found.subarray(offset, offset + size))
      : tf.slice(found, offset, size);
  }

  dispose(): void {
    tf.dispose(this.#chunks.filter((chunk) => !(chunk instanceof Float32Array)) as tf.Tensor1D[]);
  }
}
