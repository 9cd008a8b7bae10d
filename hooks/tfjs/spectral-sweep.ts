import * as tf from '@tensorflow/tfjs';
import { PAIR, PAIR_WIDTH, SIDE, SIDE_WIDTH } from '../../src/metrics/index.js';
import type { Reference } from '../../src/reference/index.js';
import type { DecomposedMatrix, Decomposer } from './decomposer.js';
import type { SharedTensor } from './layout.js';
import type { LiveTau } from './live-tau.js';
import type { Pieces } from './slow-task.js';
import { type SpectralCells, spectralCells } from './spectral-cells.js';
import type { TickStatistics } from './statistics.js';

/**
 * The slow lane's spectra and bottom subspaces: decomposes the live task matrices one after the other, and keeps the
 * last numbers of each with the step at which they were measured. On the host it keeps 2 R + 1 numbers a matrix.
 */
export class SpectralSweep implements Pieces {
  readonly #tensors: readonly SharedTensor[];
  readonly #taus: readonly LiveTau[];
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
    options: { k: number; taus: readonly LiveTau[]; decomposer: Decomposer },
  ) {
    this.#tensors = tensors;
    this.#references = references;
    this.#taus = options.taus;
    this.#k = options.k;
    this.#decomposer = options.decomposer;
    this.#matrices = [...tensors.keys()].filter((t) => tensors[t].shape.length === 2);
  }

  get count(): number {
    return this.#matrices.length;
  }

  get threadMs(): number {
    return this.#decomposer.threadMs;
  }

  get midway(): boolean {
    return this.#next > 0;
  }

  restart(): void {
    this.#next = 0;
  }

  async begin(step: number): Promise<() => void> {
    const t = this.#matrices[this.#next];
    this.#next = (this.#next + 1) % this.#matrices.length;
    const tensor = this.#tensors[t];
    const parts = await this.#decomposer.parts(this.#taus[t].canonical(), this.#k, tensor.name);
    return () => {
      this.#cells.set(t, spectralCells(tensor, parts, this.#references, step));
    };
  }

  /** With the matrix of which most is read back. */
  async rehearse(): Promise<number> {
    const sizes = this.#matrices.map((t) => readBack(this.#tensors[t]));
    const largest = this.#matrices[sizes.indexOf(Math.max(...sizes))];
    await this.#decomposer.rehearse(this.#stand(largest));
    return 1;
  }

  /** The weights stand for a task matrix: at the base that is zero, and zeros are quick. */
  #stand(t: number): DecomposedMatrix {
    const { variable, permutation, factors } = this.#tensors[t];
    if (factors !== null) {
      return this.#taus[t].canonical();
    }
    return tf.tidy(() => {
      const copy = tf.sub(variable, tf.zerosLike(variable)) as tf.Tensor2D;
      return permutation ? (tf.transpose(copy, [...permutation]) as tf.Tensor2D) : copy;
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

/** Numbers of a matrix that are read back to decompose it. */
function readBack({ variable, shape, factors }: SharedTensor): number {
  return factors === null ? variable.size : factors.rank * (shape[0] + shape[1]);
}
