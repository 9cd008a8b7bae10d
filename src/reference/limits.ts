import type { Reference } from './reference.js';

/** What of a reference decides what it can be used for: which parts there are, and how many tensors they have. */
export type ReferenceContents = Pick<Reference, 'tensors' | 'norms' | 'accuracy' | 'loss'> & {
  readonly subspaces: { readonly size: number };
  readonly bottoms: { readonly size: number };
  readonly gradient: { readonly size: number } | null;
  readonly head: unknown;
  readonly calibration: unknown;
  readonly inputGradient: unknown;
};

/** What the parts that a reference lacks rule out, a sentence for people each; empty where nothing is lacking. */
export function referenceLimits(reference: ReferenceContents): string[] {
  const { tensors, norms, subspaces, bottoms, gradient, head, calibration, inputGradient } = reference;
  const { accuracy, loss } = reference;
  const limits: string[] = [];
  if (head === null) limits.push("no head: a merge probe asks it by the live model's");
  if (calibration === null) {
    limits.push("no calibration samples: it can't be merge-probed, activation metrics are null");
  }
  if (gradient === null) {
    limits.push('no gradient: gradient metrics are null');
  } else if (gradient.size < tensors.length) {
    limits.push(
      `a gradient for ${gradient.size} of ${tensors.length} tensors: gradient metrics cover these only`,
    );
  }
  // With samples of the task a merge probe measures both.
  if (accuracy === null && calibration === null) {
    limits.push('no accuracy of its own: what merging costs its task can be given as raw accuracy only');
  }
  if (loss === null && calibration === null) {
    limits.push('no loss of its own: what merging costs its task can be given by accuracy only');
  }
  if (norms.every((norm) => norm === 0)) {
    limits.push('its weights are those of the base: task-vector metrics are null');
  }
  const matrices = tensors.filter((tensor) => tensor.shape.length === 2).length;
  if (subspaces.size === 0) {
    limits.push('no matrix that fine-tuning changed: subspace metrics are null');
  } else if (subspaces.size < matrices) {
    limits.push(
      `${matrices - subspaces.size} of ${matrices} matrices were not changed: subspace metrics leave them out`,
    );
  }
  if (subspaces.size > 0 && bottoms.size === 0) {
    limits.push(
      'no bottom subspace (its task vectors have low rank, or it was made by an older version): bottom metrics are null',
    );
  }
  if (inputGradient === null) {
    limits.push('no input gradient: input-gradient metrics are null');
  }
  return limits;
}
