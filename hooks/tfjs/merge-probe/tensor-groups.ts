import * as tf from '@tensorflow/tfjs';
import { elementCount } from '../../../src/tensors/index.js';
import type { SharedTensor } from '../layout.js';
import type { LiveTau } from '../live-tau.js';
import type { LiveSnapshot } from './live-snapshot.js';

/** Values that are read back and merged in one piece, but for a tensor that has more by itself. */
const GROUP_SIZE = 2 ** 20;

/** A shared tensor, and its live task vector where it is trained; null: it is frozen, and its task vector zero. */
export interface TensorToRead {
  readonly tensor: SharedTensor;
  readonly tau: LiveTau | null;
}

/** Small tensors go together: each piece of work has a cost of its own. In order. */
export function groupsOf(tensors: readonly TensorToRead[], size = GROUP_SIZE): TensorToRead[][] {
  const groups: TensorToRead[][] = [];
  let room = 0;
  for (const entry of tensors) {
    const count = elementCount(entry.tensor.shape);
    if (groups.length === 0 || count > room) {
      groups.push([]);
      room = size;
    }
    groups.at(-1)!.push(entry);
    room -= count;
  }
  return groups;
}

/** Values on the host in canonical layout. */
export interface ReadTensor {
  readonly tau: Float32Array;
  /** null where it was not asked for */
  readonly base: Float32Array | null;
}

/** Task vectors at the snapshot, and with `withBase` the base, read back at once. */
export async function readGroup(
  group: readonly TensorToRead[],
  snapshot: LiveSnapshot,
  withBase: boolean,
): Promise<ReadTensor[]> {
  const flat = tf.tidy(() => {
    const parts = group.flatMap((entry) => [
      ...(entry.tau === null ? [] : [tauAt(entry, entry.tau, snapshot)]),
      ...(withBase ? [canonical(entry.tensor, baseOf(entry))] : []),
    ]);
    return tf.concat([tf.zeros([0]), ...parts.map((part) => tf.reshape(part, [-1]))]);
  });
  let values: Float32Array;
  try {
    values = (await flat.data()) as Float32Array;
  } finally {
    flat.dispose();
  }
  let at = 0;
  const next = (count: number) => {
    at += count;
    return values.subarray(at - count, at);
  };
  return group.map(({ tensor, tau }) => {
    const count = elementCount(tensor.shape);
    return {
      tau: tau === null ? new Float32Array(count) : next(count),
      base: withBase ? next(count) : null,
    };
  });
}

/** Its value where the task vector is zero, in the variable's own layout; not to be disposed. */
export function baseOf({ tensor, tau }: TensorToRead): tf.Tensor {
  // What is frozen stays at the base, a matrix with an adapter too.
  return tau === null || tensor.factors !== null ? tensor.variable : tau.origin;
}

function tauAt({ tensor }: TensorToRead, tau: LiveTau, snapshot: LiveSnapshot): tf.Tensor {
  const { factors } = tensor;
  const only = factors === null ? [tensor.variable] : [factors.left.variable, factors.right.variable];
  return canonical(
    tensor,
    snapshot.within(() => tau.dense(), { only }),
  );
}

function canonical({ permutation }: SharedTensor, value: tf.Tensor): tf.Tensor {
  return permutation ? tf.transpose(value, [...permutation]) : value;
}

/** Whether all values of the task vectors are finite. Quick: it is the training's thread that looks. */
export function areFinite(read: readonly ReadTensor[]): boolean {
  let sum = 0;
  for (const { tau } of read) {
    for (let i = 0; i < tau.length; i++) {
      // NaN where the value is NaN or infinite, else zero.
      sum += 0 * tau[i];
    }
  }
  return sum === 0;
}
