import * as tf from '@tensorflow/tfjs';
import type { Random } from '../tensors/random.js';
import { tauOf } from './move-weights.js';
import type { SteeredTensor } from './term.js';

/** What a merge method keeps of a task vector: one draw, a factor for every value of a tensor. */
export interface Cut {
  /** of the tensor's shape; call it once a tensor, in order, inside tf.tidy */
  factors(tensor: SteeredTensor): tf.Tensor;
  dispose(): void;
}

/**
 * DARE (Yu et al. 2023, arXiv 2311.03099): each value is dropped with probability `rate`, the others are divided by
 * 1 - rate. Drawn on the host and uploaded, some 50 ms a million values: the same on every backend.
 */
export function dropCut(rate: number, random: Random): Cut {
  const kept = 1 / (1 - rate);
  return {
    factors({ variable: { shape, size } }) {
      const values = new Float32Array(size);
      for (let i = 0; i < size; i++) {
        values[i] = random.uniform() < rate ? 0 : kept;
      }
      return tf.tensor(values, shape);
    },
    dispose: () => {},
  };
}

/** Values of the task vector that the threshold of `TrimCuts` is taken from: at density 0.2 the share kept has a deviation of 0.4 points. */
const SAMPLE = 8192;

interface Sampled {
  readonly tensor: SteeredTensor;
  /** positions of the sample in the flat tensor; null: all of it */
  readonly positions: tf.Tensor1D | null;
}

/**
 * TIES (Yadav et al. 2023, arXiv 2306.01708): of all values of the task vector together, the share `density` of largest
 * magnitude is kept. The threshold is taken anew for each draw, on the device and without reading back, from a sample of
 * 8192 values that is drawn once; from all where there are fewer. Values equal to the threshold stay, as all do while tau is zero.
 */
export class TrimCuts {
  readonly #samples: readonly Sampled[];
  readonly #kept: number;

  constructor(tensors: readonly SteeredTensor[], density: number, random: Random) {
    this.#samples = sampleOf(tensors, random);
    const total = tensors.reduce((sum, { variable }) => sum + variable.size, 0);
    this.#kept = Math.max(1, Math.floor(density * Math.min(SAMPLE, total)));
  }

  draw(): Cut {
    const threshold = tf.keep(tf.tidy(() => this.#threshold()));
    return {
      factors: (tensor) => tf.cast(tf.greaterEqual(tf.abs(tauOf(tensor)), threshold), 'float32'),
      dispose: () => threshold.dispose(),
    };
  }

  #threshold(): tf.Scalar {
    const magnitudes = this.#samples.map(({ tensor, positions }) => {
      const flat = tf.abs(tf.reshape(tauOf(tensor), [-1]));
      return positions === null ? flat : tf.gather(flat, positions);
    });
    const { values } = tf.topk(tf.concat(magnitudes), this.#kept, true);
    return tf.reshape(tf.slice(values, [this.#kept - 1], [1]), []);
  }

  dispose(): void {
    tf.dispose(this.#samples.flatMap(({ positions }) => positions ?? []));
  }
}

function sampleOf(tensors: readonly SteeredTensor[], random: Random): Sampled[] {
  const sizes = tensors.map(({ variable }) => variable.size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= SAMPLE) {
    return tensors.map((tensor) => ({ tensor, positions: null }));
  }
  const drawn = Float64Array.from({ length: SAMPLE }, () => random.integer(total)).sort();
  const samples: Sampled[] = [];
  let start = 0;
  for (const [index, size] of sizes.entries()) {
    const own = drawn.filter((position) => position >= start && position < start + size);
    if (own.length > 0) {
      const positions = tf.tensor1d(
        Int32Array.from(own, (position) => position - start),
        'int32',
      );
      samples.push({ tensor: tensors[index], positions: tf.keep(positions) });
    }
    start += size;
  }
  return samples;
}
