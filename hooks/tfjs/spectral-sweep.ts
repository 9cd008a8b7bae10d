import * as tf from '@tensorflow/tfjs';
import { PAIR, PAIR_WIDTH, SIDE, SIDE_WIDTH } from '../../src/metrics/index.js';
import type { Reference } from '../../src/reference/index.js';
import type { Decomposer } from './decomposer.js';
import type { SharedTensor } from './layout.js';
import type { Pieces } from './slow-task.js';
import { type SpectralCells, spectralCells } from './spectral-cells.js';
import type { TickStatistics } from './statistics.js';

/**
 * The slow lane's spectra and bottom subspaces: decomposes the live task matrices one after the other, and keeps the
 * last numbers of each with the step at which they were measured. On the host it keeps 2 R + 1 numbers a matrix.
 */
export class SpectralSweep implements Pieces {
  readonly #tensors: readonly SharedTensor[];
  readonly #base: (tensor: number) => tf.Tensor;
  readonly #references: readonly Reference[];
  readonly #k: number;
  readonly #decomposer: Decomposer;
  /** indices of the 2-D tensors */
  readonly #matrices: readonly number[];
  readonly #cells = new Map<number, SpectralCells>();
  #next = 0;

  constructor(
    tensors: readonly SharedTensor[],
    references: readonly Reference[],
    options: { k: number; base: (tensor: number) => tf.Tensor; decomposer: Decomposer },
  ) {
    this.#tensors = tensors;
    this.#references = references;
    this.#base = options.base;
    this.#k = options.k;
    this.#decomposer = options.decomposer;
    this.#matrices = [...tensors.keys()].filter((t) => tensors[t].shape.length === 2);
  }

  get count(): number {
    return this.#matrices.length;
  }

  get midway(): boolean {
    return this.#next > 0;
  }

  async begin(step: number): Promise<() => void> {
    const t = this.#matrices[this.#next];
    this.#next = (this.#next + 1) % this.#matrices.length;
    const tensor = this.#tensors[t];
    const parts = await this.#decomposer.parts(this.#matrix(t, this.#base(t)), this.#k, tensor.name);
    return () => {
      this.#cells.set(t, spectralCells(tensor, parts, this.#references, step));
    };
  }

  /** With the largest matrix, and the weights for a task vector: at the base that is zero, and zeros are quick. */
  async rehearse(): Promise<number> {
    const sizes = this.#matrices.map((t) => this.#tensors[t].variable.size);
    const largest = this.#matrices[sizes.indexOf(Math.max(...sizes))];
    const zeros = tf.zerosLike(this.#tensors[largest].variable);
    const matrix = this.#matrix(largest, zeros);
    zeros.dispose();
    await this.#decomposer.rehearse(matrix);
    return 1;
  }

  /** A matrix' weights minus an origin, on the device, [out, in]. */
  #matrix(t: number, origin: tf.Tensor): tf.Tensor2D {
    const { variable, permutation } = this.#tensors[t];
    return tf.tidy(() => {
      const tau = tf.sub(variable, origin) as tf.Tensor2D;
      return permutation ? (tf.transpose(tau, [...permutation]) as tf.Tensor2D) : tau;
    });
  }

  /** Puts the last numbers into a tick's statistics, with the oldest one's step, or why they are not complete yet. */
  fill({ step, references, tensors, pair, live, absent, measuredAt }: TickStatistics): void {
    if (this.#cells.size < this.count) {
      const reason = `not measured yet (${this.#cells.size} of ${this.count} matrices)`;
      absent.bottom = `the bottom subspaces are ${reason}`;
      absent.spectra = `the singular values are ${reason}`;
      return;
    }
    let oldest = step;
    for (const [t, cells] of this.#cells) {
      oldest = Math.min(oldest, cells.step);
      live[t * SIDE_WIDTH + SIDE.bottomK] = cells.bottomK;
      for (let r = 0; r < references.length; r++) {
        const cell = (r * tensors.length + t) * PAIR_WIDTH;
        pair[cell + PAIR.spectrum] = cells.spectrum[r];
        pair[cell + PAIR.rightBottom] = cells.rightBottom[r];
      }
    }
    if (oldest < step) {
      measuredAt.bottom = oldest;
      measuredAt.spectra = oldest;
    }
  }

  close(): Promise<void> {
    return this.#decomposer.close();
  }
}
