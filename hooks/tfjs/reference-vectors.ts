import * as tf from '@tensorflow/tfjs';
import type { FlatLayout } from './flat-layout.js';

/**
 * One number a watched parameter, of one reference, in the chunks of a FlatLayout. In main memory at first, and copied to the
 * device for whoever asks; from `load` to `unload` on the device.
 */
export class ReferenceVectors {
  readonly #layout: FlatLayout;
  readonly #part: (tensor: number) => Float32Array | null;
  /** by chunk, made when first asked for; empty while on the device */
  #host: Float32Array[] = [];
  /** by chunk; null while in main memory */
  #device: readonly tf.Tensor1D[] | null = null;

  /** `part`: values of a tensor in its variable's layout, each time they are asked for; null: it has none, all are NaN */
  constructor(layout: FlatLayout, part: (tensor: number) => Float32Array | null) {
    this.#layout = layout;
    this.#part = part;
  }

  /** of all chunks */
  get bytes(): number {
    return this.#layout.chunks.reduce((sum, { length }) => sum + length * Float32Array.BYTES_PER_ELEMENT, 0);
  }

  get isOnDevice(): boolean {
    return this.#device !== null;
  }

  /** Copies it to the device, to stay there. @throws what the backend throws, and then nothing of it stays */
  load(): void {
    if (this.#device !== null) {
      return;
    }
    const chunks: tf.Tensor1D[] = [];
    try {
      for (const c of this.#layout.chunks.keys()) {
        chunks.push(tf.keep(tf.tensor1d(this.#values(c))));
      }
    } catch (error) {
      tf.dispose(chunks);
      throw error;
    }
    this.#device = chunks;
    this.#host = [];
  }

  /** Gives the device's memory back. */
  unload(): void {
    tf.dispose([...(this.#device ?? [])]);
    this.#device = null;
  }

  #values(c: number): Float32Array {
    this.#host[c] ??= this.#layout.flatten(this.#layout.chunks[c], this.#part);
    return this.#host[c];
  }

  /** Chunk c. Call it inside tf.tidy. */
  chunk(c: number): tf.Tensor1D {
    return this.#device?.[c] ?? tf.tensor1d(this.#values(c));
  }

  /** `size` numbers of chunk c from `offset` on. Call it inside tf.tidy. */
  slice(c: number, offset: number, size: number): tf.Tensor1D {
    return this.#device === null
      ? tf.tensor1d(this.#values(c).subarray(offset, offset + size))
      : tf.slice(this.#device[c], offset, size);
  }

  dispose(): void {
    this.unload();
    this.#host = [];
  }
}
