import * as tf from '@tensorflow/tfjs';

/**
 * A mock: the active backend as if its device were full, since no device here can be filled. Allocations that `fails` picks throw
 * what TensorFlow throws on a GPU.
 */
export class FullDevice {
  /** asked for each allocation, with its shape */
  fails: (shape: readonly number[]) => boolean = () => false;
  readonly #backend = tf.backend();
  readonly #write = this.#backend.write;

  constructor() {
    this.#backend.write = (values, shape, dtype) => {
      if (this.fails(shape)) {
        throw new Error(
          `OOM when allocating tensor with shape[${shape}] and type ${dtype} on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc`,
        );
      }
      return this.#write.call(this.#backend, values, shape, dtype);
    };
  }

  /** From now on the n-th allocation fails, counted from 0, and no other. */
  failAt(n: number): void {
    let left = n;
    this.fails = () => {
      left -= 1;
      return left === -1;
    };
  }

  restore(): void {
    this.#backend.write = this.#write;
  }
}
