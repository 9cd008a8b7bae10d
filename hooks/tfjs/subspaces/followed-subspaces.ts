import * as tf from '@tensorflow/tfjs';
import { isAsynchronous } from '../../../src/backend/index.js';
import type { Reference } from '../../../src/reference/index.js';
import type { SharedTensor } from '../layout.js';
import type { LiveTau } from '../live-tau.js';
import { type Batchable, planBatches } from './plan-batches.js';
import { SubspaceBatch } from './subspace-batch.js';
import type { Found, StoredSubspace } from './tracked-matrix.js';

/** Elements stacked at most: bounds their memory to 64 MiB, three times while they are made. */
const STACKED = 1 << 24;

/** What the last measurement has found of one watched tensor. */
export interface FoundOf extends Found {
  /** its index */
  readonly tensor: number;
}

interface Batch {
  /** indices */
  readonly tensors: readonly number[];
  readonly batch: SubspaceBatch;
}

/**
 * Follows the subspaces of all live task matrices that references have some of. Those of one shape are stacked, so that a tick is
 * some seven operations a shape instead of a matrix.
 */
export class FollowedSubspaces {
  /** number of floats that `measure` puts into the tick */
  readonly size: number;
  readonly #batches: readonly Batch[];

  /** @param options `stacked`: elements that are stacked at most; a single matrix may have more. Defaults to what suits the backend */
  constructor(
    tensors: readonly SharedTensor[],
    references: readonly Reference[],
    options: { k: number; powerIterations: number; stacked?: number },
  ) {
    const stored = new Map<number, (StoredSubspace | null)[]>();
    tensors.forEach((tensor, t) => {
      const subspaces = storedSubspaces(tensor, references);
      if (tensor.variable.rank === 2 && subspaces.some((subspace) => subspace !== null)) {
        stored.set(t, subspaces);
      }
    });
    const plan = planBatches(
      [...stored].map(([tensor, subspaces]) => batchable(tensor, tensors[tensor], subspaces)),
      // On a processor products of stacks take longer than those of their matrices one after the other.
      options.stacked ?? (isAsynchronous() ? STACKED : 0),
    );
    this.#batches = plan.map((batch) => ({
      tensors: batch,
      batch: new SubspaceBatch(
        tensors[batch[0]].variable.shape as [number, number],
        batch.map((t) => ({ seed: tensors[t].name, references: stored.get(t)! })),
        { k: options.k, iterations: options.powerIterations },
      ),
    }));
    this.size = this.#batches.reduce((sum, { batch }) => sum + batch.size, 0);
  }

  /** `taus`: by tensor. Call it inside tf.tidy. */
  measure(taus: readonly LiveTau[]): tf.Tensor1D[] {
    return this.#batches.flatMap(({ tensors, batch }) =>
      // A stack is given back before the next one is made.
      tf.tidy(() => batch.measure(tensors.map((t) => taus[t].matrix()))),
    );
  }

  /** What `measure` gave, read back; also advances what is followed. */
  finish(values: Float32Array): FoundOf[] {
    let at = 0;
    return this.#batches.flatMap(({ tensors, batch }) => {
      const found = batch.finish(values.subarray(at, at + batch.size));
      at += batch.size;
      return found.map((each, m) => ({ ...each, tensor: tensors[m] }));
    });
  }

  dispose(): void {
    for (const { batch } of this.#batches) {
      batch.dispose();
    }
  }
}

function batchable(
  tensor: number,
  { variable, factors }: SharedTensor,
  subspaces: readonly (StoredSubspace | null)[],
): Batchable {
  const [rows, columns] = variable.shape;
  const rank = factors?.rank ?? null;
  return {
    tensor,
    elements: rank === null ? rows * columns : (rows + columns) * rank,
    kind: JSON.stringify([rows, columns, rank, subspaces.map((subspace) => subspace?.k ?? null)]),
  };
}

/** By reference, in the layout of the stored variable; null where it has none. */
function storedSubspaces(
  { name, permutation }: SharedTensor,
  references: readonly Reference[],
): (StoredSubspace | null)[] {
  return references.map(({ subspaces }) => {
    const subspace = subspaces.get(name);
    if (!subspace) {
      return null;
    }
    const { k, left, right } = subspace;
    return permutation ? { k, rows: right, columns: left } : { k, rows: left, columns: right };
  });
}
