import * as tf from '@tensorflow/tfjs';
import {
  bottomDecider,
  columnsOf,
  isAboveRounding,
  numericalRank,
  SPECTRUM_LENGTH,
  type SpectralParts,
} from '../../src/spectral/index.js';
import { MergeguardError } from '../../src/tensors/index.js';
import type { DecomposedMatrix, Decomposer } from './decomposer.js';
import { WorkerDecomposer } from './worker-decomposer.js';

interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** What tfjs-node's backend has beside KernelBackend: ops of libtensorflow by name, on handles of its own. */
interface NativeBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: {
    readonly TF_ATTR_TYPE: number;
    readonly TF_ATTR_BOOL: number;
    readonly TF_FLOAT: number;
    executeOp(name: string, attributes: Attribute[], handles: number[], outputs: number): NativeOutput[];
    deleteTensor(handle: number): void;
  };
  getInputTensorIds(tensors: tf.Tensor[]): number[];
  createOutputTensor(output: NativeOutput): tf.Tensor;
}

interface NativeOutput {
  readonly id: number;
  readonly shape: number[];
  readonly dtype: number;
}

/** The number of float64 in TF_DataType, which the binding does not name. */
const TF_DOUBLE = 2;

/**
 * libtensorflow's `Svd`, in float64 since float32 loses the bottom subspace. It blocks the training's thread, 0.5 s for
 * 3072 x 768 on a CPU core: for a GPU only, where it is quick. Products of thin factors go to a worker thread all the same.
 */
export class NativeDecomposer implements Decomposer {
  /** starts its thread when it is needed */
  readonly #worker = new WorkerDecomposer();

  /** Null where the active backend is not libtensorflow's, or uses no GPU. */
  static open(): NativeDecomposer | null {
    const isNative = tf.getBackend() === 'tensorflow';
    return isNative && native().isUsingGpuDevice ? new NativeDecomposer() : null;
  }

  async parts(matrix: DecomposedMatrix, k: number, label: string): Promise<SpectralParts | null> {
    if (!(matrix instanceof tf.Tensor)) {
      return this.#worker.parts(matrix, k, label);
    }
    const [rows, columns] = matrix.shape;
    const n = Math.min(rows, columns);
    const width = Math.min(k, n);
    let results: tf.Tensor[];
    try {
      results = tf.tidy(() => {
        const [s, u, v] = svd(matrix);
        return [
          s,
          tf.slice(u, [0, 0], [rows, width]),
          tf.slice(v, [0, 0], [columns, width]),
          tf.slice(v, [0, n - width], [columns, width]),
        ];
      });
    } finally {
      matrix.dispose();
    }
    // All at once: the reads block too, and are to be counted with the rest.
    const reading = Promise.all(results.map((result) => result.data()));
    tf.dispose(results);
    const [values, left, right, bottom] = (await reading).map((data) => Float64Array.from(data));
    return partsOf({ rows, columns, width, values, left, right, bottom }, label);
  }

  async rehearse(matrix: DecomposedMatrix): Promise<void> {
    if (matrix instanceof tf.Tensor) {
      await this.parts(matrix, 1, 'a rehearsal');
    } else {
      await this.#worker.rehearse(matrix);
    }
  }

  get threadMs(): number {
    return this.#worker.threadMs;
  }

  close(): Promise<void> {
    return this.#worker.close();
  }
}

function native(): NativeBackend {
  return tf.backend() as unknown as NativeBackend;
}

/** A = u diag(s) v^T, thin: s [n] descending, u [rows, n], v [columns, n]. Call it inside tf.tidy. */
function svd(matrix: tf.Tensor2D): [tf.Tensor1D, tf.Tensor2D, tf.Tensor2D] {
  const backend = native();
  const { binding } = backend;
  const type = (name: string, value: number) => ({ name, type: binding.TF_ATTR_TYPE, value });
  const flag = (name: string, value: boolean) => ({ name, type: binding.TF_ATTR_BOOL, value });
  const cast = (handle: number, from: number, to: number) =>
    binding.executeOp(
      'Cast',
      [type('SrcT', from), type('DstT', to), flag('Truncate', false)],
      [handle],
      1,
    )[0];
  const [handle] = backend.getInputTensorIds([matrix]);
  // Handles that nobody else deletes, whatever fails.
  const held = [cast(handle, binding.TF_FLOAT, TF_DOUBLE).id];
  try {
    const attributes = [flag('compute_uv', true), flag('full_matrices', false), type('T', TF_DOUBLE)];
    const outputs = binding.executeOp('Svd', attributes, held, 3).map(({ id }) => id);
    held.push(...outputs);
    const singles: tf.Tensor[] = [];
    for (const id of outputs) {
      singles.push(backend.createOutputTensor(cast(id, TF_DOUBLE, binding.TF_FLOAT)));
      // Before the next one is cast: they are as large as the matrix.
      binding.deleteTensor(id);
      held.splice(held.indexOf(id), 1);
    }
    return singles as [tf.Tensor1D, tf.Tensor2D, tf.Tensor2D];
  } finally {
    for (const id of held) {
      binding.deleteTensor(id);
    }
  }
}

interface Decomposition {
  readonly rows: number;
  readonly columns: number;
  /** columns of the three bases */
  readonly width: number;
  /** all singular values, descending */
  readonly values: Float64Array;
  readonly left: Float64Array;
  readonly right: Float64Array;
  readonly bottom: Float64Array;
}

/** What `spectralParts` makes of a decomposition: the same ranks, and a bottom only where it is not arbitrary. */
function partsOf(
  { rows, columns, width, values, left, right, bottom }: Decomposition,
  label: string,
): SpectralParts | null {
  const [largest] = values;
  if (!Number.isFinite(largest)) {
    throw new MergeguardError(`${label}: a matrix with a NaN or an infinity has no singular values`);
  }
  if (largest === 0) {
    return null;
  }
  const sides = { rows, columns };
  const k = Math.min(width, numericalRank(values, sides));
  const decider = values[bottomDecider(sides, width)];
  return {
    values: values.slice(0, SPECTRUM_LENGTH),
    k,
    left: columnsOf(left, width, 0, k),
    right: columnsOf(right, width, 0, k),
    bottom: isAboveRounding(decider, largest) ? bottom : null,
  };
}
