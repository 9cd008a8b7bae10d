import * as tf from '@tensorflow/tfjs';
import {
  FUNCTIONAL_WIDTH,
  type GradientRecipe,
  PAIR,
  PAIR_WIDTH,
  type PairStatistics,
  SIDE,
  SIDE_WIDTH,
} from '../../src/metrics/index.js';
import type { Reference } from '../../src/reference/index.js';
import type { NamedTensors } from '../../src/tensors/index.js';
import { FlatLayout } from './flat-layout.js';
import { GradientAverage } from './gradient-average.js';
import { inVariableLayout, type SharedTensor } from './layout.js';
import { type LiveTau, liveTau } from './live-tau.js';
import { Comparisons, ReferenceStore } from './reference-memory/index.js';
import { referenceAbsences, referenceSides } from './reference-sides.js';
import type { ReferenceVectors } from './reference-vectors.js';
import { FollowedSubspaces } from './subspaces/index.js';
import {
  LIVE_ROW,
  LIVE_ROWS,
  REFERENCE_ROW,
  ROWS_PER_REFERENCE,
  type TickSums,
  tickSums,
} from './tick-sums/index.js';

/** What one tick reads back, beside the statistics. */
export interface Reading {
  readonly statistics: TickStatistics;
  /** gradients left out so far because they were not finite */
  readonly nonFinite: number;
  /** what the caller had packed into the read */
  readonly extra: Float32Array;
}

/** A tick's statistics, to be filled in by the slow lane. */
export type TickStatistics = Omit<PairStatistics, 'run' | 'time' | 'selfProbe'>;

const NO_GRADIENT: Record<GradientRecipe['kind'], string> = {
  ema: 'no gradient of the live model has been folded yet',
  calibration: 'the gradient of the live model on the calibration samples has not been taken yet',
};

/** Numbers of the gradient average at the head of a packed tick. */
const COUNTERS = 3;

/**
 * Takes PairStatistics on the device. Base, references and the gradient average live there; one tick is a few
 * operations a chunk and reference (O(R D) time for D parameters), about seven a stack of matrices, and one read.
 */
export class DeviceStatistics {
  /** null where gradients are never measured */
  readonly gradients: GradientAverage | null;
  readonly layout: FlatLayout;
  readonly store: ReferenceStore;
  /** live task vectors, by tensor */
  readonly taus: readonly LiveTau[];
  readonly #references: readonly Reference[];
  readonly #recipe: GradientRecipe;
  readonly #unmeasured: PairStatistics['absent'];
  /** [R, T, 5] of SIDE: the same in every tick */
  readonly #referenceSides: Float32Array;
  readonly #sums: TickSums;
  readonly #comparisons: Comparisons;
  /** what the tick that waits to be read has compared, see ReferenceStore */
  #compared: readonly (readonly number[])[] = [];
  readonly #subspaces: FollowedSubspaces;
  /** as of the last reading */
  #gradientStep = -1;
  #nonFinite = 0;
  /** gradients came since the last one that was folded, and none was finite */
  #isStarved = false;

  constructor(
    tensors: readonly SharedTensor[],
    references: readonly Reference[],
    options: {
      k: number;
      powerIterations: number;
      gradientDecay: number;
      recipe: GradientRecipe;
      /** parts that are never measured in this run, and why */
      unmeasured: PairStatistics['absent'];
      /** by canonical name; defaults to the variables' present values */
      base?: NamedTensors;
      /** bytes of device memory that task vectors and gradients of references may take; defaults to what they need */
      referenceBytes?: number;
      /** see FlatLayout */
      chunk?: number;
      /** see FollowedSubspaces */
      stacked?: number;
    },
  ) {
    this.layout = new FlatLayout(tensors, options.chunk);
    this.gradients =
      options.unmeasured.gradient === undefined
        ? new GradientAverage(this.layout, options.gradientDecay)
        : null;
    this.#references = references;
    this.#recipe = options.recipe;
    this.#unmeasured = options.unmeasured;
    // Clones share the memory of the base's weights; the optimiser's first step gives the variables their own.
    this.taus = tensors.map((tensor) => {
      const value = options.base?.get(tensor.name);
      const { variable } = tensor;
      return liveTau(tensor, () =>
        value ? tf.tensor(inVariableLayout(tensor, value), variable.shape) : variable.clone(),
      );
    });
    this.store = new ReferenceStore(this.layout, references, {
      budget: options.referenceBytes ?? Number.POSITIVE_INFINITY,
      hasGradients: this.gradients !== null,
    });
    this.#comparisons = new Comparisons(references.length, tensors.length);
    this.#referenceSides = referenceSides(tensors, references);
    this.#sums = tickSums({
      layout: this.layout,
      taus: this.taus,
      gradients: this.gradients,
      references: this.store.parts,
    });
    this.#subspaces = new FollowedSubspaces(tensors, references, {
      k: options.k,
      powerIterations: options.powerIterations,
      stacked: options.stacked,
    });
  }

  /** A reference's task vector of a tensor, in the live variable's layout. Call it inside tf.tidy. */
  referenceTau(reference: number, name: string): tf.Tensor {
    return this.#partOf(this.store.parts[reference].tau, name);
  }

  /** The same of its gradient; null where gradients are not measured. */
  referenceGradient(reference: number, name: string): tf.Tensor | null {
    const { gradient: gradients } = this.store.parts[reference];
    return gradients && this.#partOf(gradients, name);
  }

  #partOf(vectors: ReferenceVectors, name: string): tf.Tensor {
    const { chunk, offset, tensor } = this.layout.placeOf(name);
    const { size, shape } = tensor.variable;
    return tf.reshape(vectors.slice(chunk, offset, size), shape);
  }

  /**
   * Packs a tick into one vector, kept; `read` takes its values, and those of one tick before the next is packed. `extra` is a small
   * vector of the caller's that travels along. With `isWhole` every reference is compared, also those whose turn it is not.
   * @throws what the backend throws, and then nothing is kept
   */
  measure(extra: tf.Tensor1D, isWhole = false): tf.Tensor1D {
    const compared = this.store.take(isWhole);
    const packed = tf.tidy(() => {
      // Nothing folded.
      const counters = this.gradients?.counters() ?? tf.tensor1d([1, 0, 0]);
      const sums = [...this.layout.chunks.keys()].flatMap((c) =>
        compared.map((watched) => this.#measureSums(c, watched)),
      );
      const subspaces = this.#subspaces.measure(this.taus);
      return tf.keep(tf.concat([counters, ...sums, ...subspaces, extra]));
    });
    this.#compared = compared;
    return packed;
  }

  /** A chunk's temporaries are as large as itself, several for each reference: given back before the next. */
  #measureSums(c: number, watched: readonly number[]): tf.Tensor1D {
    return tf.tidy(() => {
      const made = new Map<number, tf.Tensor>();
      const dense = (t: number) => {
        const tau = made.get(t) ?? this.taus[t].dense();
        made.set(t, tau);
        return tau;
      };
      return this.#sums.measure(c, dense, watched);
    });
  }

  /** The values of the packed tick of a step, in order of measuring; also advances the tracked subspaces. */
  read(values: Float32Array, step: number): Reading {
    const { tensors } = this.layout;
    const count = this.#references.length;
    const live = new Float32Array(tensors.length * SIDE_WIDTH).fill(Number.NaN);
    const [remaining, nonFinite, gradientStep] = values;
    const folded = remaining < 1;
    let at = this.#readSums(values, live, folded);
    for (const r of this.#compared.flat()) {
      this.#comparisons.note(r, step, live);
    }
    const pair = this.#comparisons.pair.slice();
    const turns = this.#comparisons.turns(step);
    const found = this.#subspaces.finish(values.subarray(at, at + this.#subspaces.size));
    at += this.#subspaces.size;
    for (const { tensor: t, k, overlaps } of found) {
      live[t * SIDE_WIDTH + SIDE.leftK] = k;
      live[t * SIDE_WIDTH + SIDE.rightK] = k;
      const turned = tensors[t].permutation !== null;
      overlaps.forEach(({ rows, columns }, r) => {
        const cell = (r * tensors.length + t) * PAIR_WIDTH;
        // The left singular vectors live in the output space: the columns of a [in, out] kernel.
        pair[cell + PAIR.leftTop] = turned ? columns : rows;
        pair[cell + PAIR.rightTop] = turned ? rows : columns;
      });
    }
    this.#noteFolds(gradientStep, nonFinite);
    // A moving average is of the present, however seldom it is fed: unless it is fed nothing but NaN.
    const isOlder = folded && gradientStep < step && (this.#recipe.kind === 'calibration' || this.#isStarved);
    return {
      nonFinite,
      extra: values.subarray(at),
      statistics: {
        step,
        references: this.#references.map(({ name }) => name),
        tensors: tensors.map(({ name, shape }) => ({ name, shape })),
        pair,
        live,
        ref: this.#referenceSides.slice(),
        gradient: folded ? this.#recipe : null,
        referenceGradients: this.#references.map(({ gradientRecipe }) => gradientRecipe),
        absent: { ...(folded ? {} : { gradient: NO_GRADIENT[this.#recipe.kind] }), ...this.#unmeasured },
        referenceAbsent: this.#references.map(referenceAbsences),
        measuredAt: isOlder ? { gradient: gradientStep } : {},
        ...(turns !== null && { turns }),
        functional: new Float32Array(count * FUNCTIONAL_WIDTH).fill(Number.NaN),
      },
    };
  }

  /** Sums by tensor into the sides [T, 5] of the live model and the pairs compared; gives where the values go on. */
  #readSums(values: Float32Array, live: Float32Array, folded: boolean): number {
    const { tensors, chunks } = this.layout;
    const { pair } = this.#comparisons;
    let at = COUNTERS;
    for (const chunk of chunks) {
      const width = chunk.tensors.length;
      for (const watched of this.#compared) {
        const sum = (row: number, column: number) => values[at + row * width + column];
        chunk.tensors.forEach((t, column) => {
          live[t * SIDE_WIDTH + SIDE.tauNorm] = sum(LIVE_ROW.tau, column);
          live[t * SIDE_WIDTH + SIDE.gradientNorm] = folded ? sum(LIVE_ROW.gradient, column) : Number.NaN;
          watched.forEach((r, place) => {
            const cell = (r * tensors.length + t) * PAIR_WIDTH;
            const row = LIVE_ROWS + place * ROWS_PER_REFERENCE;
            const { tauDot, tauDistance, gradientDot, gradientDistance } = REFERENCE_ROW;
            pair[cell + PAIR.tauDot] = sum(row + tauDot, column);
            pair[cell + PAIR.tauDistance] = sum(row + tauDistance, column);
            pair[cell + PAIR.gradientDot] = folded ? sum(row + gradientDot, column) : Number.NaN;
            pair[cell + PAIR.gradientDistance] = folded ? sum(row + gradientDistance, column) : Number.NaN;
          });
        });
        at += (LIVE_ROWS + watched.length * ROWS_PER_REFERENCE) * width;
      }
    }
    return at;
  }

  #noteFolds(gradientStep: number, nonFinite: number): void {
    if (gradientStep > this.#gradientStep) {
      this.#isStarved = false;
    } else if (nonFinite > this.#nonFinite) {
      this.#isStarved = true;
    }
    this.#gradientStep = gradientStep;
    this.#nonFinite = nonFinite;
  }

  dispose(): void {
    for (const each of [...this.taus, this.#subspaces, this.gradients]) {
      each?.dispose();
    }
    this.#sums.dispose();
    this.store.dispose();
    this.layout.dispose();
  }
}
