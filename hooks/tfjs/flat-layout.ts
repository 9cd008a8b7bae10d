import * as tf from '@tensorflow/tfjs';
import type { SharedTensor } from './layout.js';

/**
 * Many small tensors laid end to end in a few long vectors, so that a tick is some tens of operations instead
 * of some tens a tensor. Each tensor starts at a multiple of `BLOCK`, with zeros between: sums over tensors are
 * sums over blocks, then over those of a tensor.
 */
export const BLOCK = 128;
/** Elements of a vector where nothing else is asked for: it bounds the memory of temporaries. See chunkLength for devices. */
export const CHUNK = 1 << 22;

/** One vector's share of the tensors. */
export interface Chunk {
  /** indices into the watched tensors */
  readonly tensors: readonly number[];
  /** where each of them starts */
  readonly offsets: readonly number[];
  /** padded length */
  readonly length: number;
}

export class FlatLayout {
  readonly chunks: readonly Chunk[];
  readonly tensors: readonly SharedTensor[];
  readonly #padding = new Map<number, tf.Tensor1D>();

  /** `chunk`: elements in one vector at most, unless a single tensor is longer */
  constructor(tensors: readonly SharedTensor[], chunk = CHUNK) {
    this.tensors = tensors;
    this.chunks = planChunks(
      tensors.map(({ variable }) => variable.size),
      chunk,
    );
    for (const { variable } of tensors) {
      const pad = padded(variable.size) - variable.size;
      if (pad > 0 && !this.#padding.has(pad)) {
        this.#padding.set(pad, tf.keep(tf.zeros([pad])));
      }
    }
  }

  /** Where a tensor of this canonical name is. */
  placeOf(name: string): { readonly chunk: number; readonly offset: number; readonly tensor: SharedTensor } {
    const tensor = this.tensors.findIndex((other) => other.name === name);
    const chunk = this.chunks.findIndex(({ tensors }) => tensors.includes(tensor));
    const offset = this.chunks[chunk].offsets[this.chunks[chunk].tensors.indexOf(tensor)];
    return { chunk, offset, tensor: this.tensors[tensor] };
  }

  /** One vector from a chunk's tensors; null stands for zeros. Call it inside tf.tidy. */
  join(chunk: Chunk, part: (tensor: number) => tf.Tensor | null): tf.Tensor1D {
    const pieces: tf.Tensor1D[] = [];
    for (const tensor of chunk.tensors) {
      const { size } = this.tensors[tensor].variable;
      pieces.push(tf.reshape(part(tensor) ?? tf.zeros([size]), [size]));
      const pad = this.#padding.get(padded(size) - size);
      if (pad) {
        pieces.push(pad);
      }
    }
    return pieces.length === 1 ? pieces[0] : tf.concat(pieces);
  }

  /** The same from host values in the variables' layout; a missing one is NaN throughout. */
  flatten(chunk: Chunk, part: (tensor: number) => Float32Array | null): Float32Array {
    const values = new Float32Array(chunk.length);
    chunk.tensors.forEach((tensor, index) => {
      const { size } = this.tensors[tensor].variable;
      const start = chunk.offsets[index];
      const data = part(tensor);
      if (data) {
        values.set(data, start);
      } else {
        values.fill(Number.NaN, start, start + size);
      }
    });
    return values;
  }

  dispose(): void {
    tf.dispose([...this.#padding.values()]);
  }
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function planChunks(sizes: readonly number[], most: number): Chunk[] {
  const chunks: { tensors: number[]; offsets: number[]; length: number }[] = [];
  sizes.forEach((size, tensor) => {
    let chunk = chunks.at(-1);
    if (!chunk || (chunk.length > 0 && chunk.length + padded(size) > most)) {
      chunk = { tensors: [], offsets: [], length: 0 };
      chunks.push(chunk);
    }
    chunk.tensors.push(tensor);
    chunk.offsets.push(chunk.length);
    chunk.length += padded(size);
  });
  return chunks;
}
