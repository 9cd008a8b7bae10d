import * as tf from '@tensorflow/tfjs';
import { MergeguardError } from '../tensors/errors.js';
import type { Random } from '../tensors/random.js';
import { tauOf } from './move-weights.js';
import { ACT_ON_ADAPTED, adaptedMatrices, needReferences } from './needs.js';
import type { SteeredTensor, SteeringContext } from './term.js';

export const PARTNERS = ['auto', 'reference', 'random', 'none'] as const;

/** A partner's task vector of a tensor, null where it has none; called inside tf.tidy. */
export type PartnerTau = (tensor: SteeredTensor) => tf.Tensor | null;

/**
 * Draws the partners of simulated merges. `reference`: a random reference; LoRA factors have none. `random`: the live task vector itself, rows
 * rolled and the signs of rows and columns flipped at random, each matrix by itself: the same spectrum in random directions. `auto`:
 * references where there are any, `random` without them and for LoRA factors, of which references have none. `none`: no partner.
 * @throws MergeguardError where partner `reference` has nothing to draw from
 */
export function partnersOf(
  partner: (typeof PARTNERS)[number],
  { tensors, references, random }: SteeringContext,
): () => PartnerTau {
  if (partner === 'reference') {
    needReferences('merge_simulation with partner reference', references);
    const adapted = adaptedMatrices(tensors);
    if (tensors.every(({ isFactor }) => isFactor)) {
      throw new MergeguardError(
        `merge_simulation with partner reference ${adapted}, and there is no other; ${ACT_ON_ADAPTED}`,
      );
    }
  }
  const turned: PartnerTau = (tensor) => turnedTau(tauOf(tensor), random);
  if (partner === 'none') {
    return () => () => null;
  }
  if (partner === 'random' || references.length === 0) {
    return () => turned;
  }
  return () => {
    const reference = references[random.integer(references.length)];
    return (tensor) => (tensor.isFactor && partner === 'auto' ? turned(tensor) : reference.tau(tensor));
  };
}

/**
 * Rolled by a random offset along the first axis, and with signs flipped at random along every axis: for a matrix these are
 * rotations, so that its singular values stay, and its singular vectors have nothing to do with the old ones. Permuting all
 * axes would do the same, but it costs as much as half a training step on wasm.
 */
export function turnedTau(tau: tf.Tensor, random: Random): tf.Tensor {
  return tau.shape.reduce(
    (turned, size, axis) => {
      const signs = Float32Array.from({ length: size }, () => (random.uniform() < 0.5 ? -1 : 1));
      const alongAxis = tau.shape.map((_, other) => (other === axis ? size : 1));
      return tf.mul(turned, tf.tensor(signs, alongAxis));
    },
    rolled(tau, random),
  );
}

function rolled(tau: tf.Tensor, random: Random): tf.Tensor {
  const [size = 1] = tau.shape;
  const offset = random.integer(size);
  if (offset === 0) {
    return tau;
  }
  const [head, tail] = tf.split(tau, [offset, size - offset]);
  return tf.concat([tail, head]);
}
