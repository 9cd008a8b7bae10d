import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { MergeguardError } from '../tensors/errors.js';
import { tauOf } from './move-weights.js';
import { ACT_ON_ADAPTED, adaptedMatrices, needReferences } from './needs.js';
import type { GradientTerm, SteeredTensor, SteeringContext, TermInfo } from './term.js';
import { termOptions } from './term-options.js';

const parameters = z
  .strictObject({
    strength: z.number().min(0).max(10).default(0).describe('weight of the penalty; 0 turns the term off'),
    mode: z
      .enum(['avoid', 'encourage'])
      .default('avoid')
      .describe('avoid: keep tau out of the subspaces of the references; encourage: keep it inside'),
  })
  .describe('penalises the part of tau inside (or outside) the right top-k subspaces of the references');

/**
 * Penalty strength / 2 * mean over references of ‖tau V V^T‖² (avoid) or ‖tau (I - V V^T)‖² (encourage), V the
 * reference's top-k right singular vectors, summed over matrices; a reference that did not change a matrix has
 * no V of it and does not count in its mean. The gradient strength * tau P is added to that of the loss.
 * Source: the subspace penalty of arXiv 2601.22285, which looks at the live model only, turned to the references.
 */
export const subspace: TermInfo = {
  name: 'subspace',
  kind: 'gradient',
  needs: ['references'],
  gradientEvaluations: () => 0,
  defaultStrength: 0.01,
  measured:
    'avoid, the top-8 right subspaces of the references, strength 1e-2: raw accuracy after merging +0.1 (weight_avg), 0.0 (ties), 0.0 (tsv) points, single model -0.2 (zoo, 5 fixed references, 2 live tasks, 2 seeds)',
  parameters,
  start(options, context): GradientTerm {
    const { mode } = termOptions('subspace', parameters, options);
    const { tensors, references } = context;
    needReferences('subspace', references);
    const leavesOut = adaptedMatrices(tensors, ({ name }) =>
      references.some(({ rightSubspaces }) => rightSubspaces.has(name)),
    );
    const projectors = projectorsOf(context);
    if (leavesOut !== null && projectors.length === 0) {
      throw new MergeguardError(`it ${leavesOut}, and there is no other; ${ACT_ON_ADAPTED}`);
    }
    return {
      kind: 'gradient',
      leavesOut: leavesOut && `subspace ${leavesOut}`,
      actsOn: null,
      comesLast: false,
      additions(gradients, strength) {
        const additions: tf.NamedTensorMap = {};
        const trained = projectors.filter(({ tensor }) => gradients[tensor.variable.name] != null);
        for (const { tensor, right, count } of trained) {
          const tau = tauOf(tensor) as tf.Tensor2D;
          // The input side is the rows of a [in, out] kernel and the columns of a [out, in] matrix.
          const inside = tensor.transposed
            ? tf.matMul(right, tf.matMul(right, tau, true, false))
            : tf.matMul(tf.matMul(tau, right), right, false, true);
          const mean = tf.div(inside, count);
          const pull = mode === 'avoid' ? mean : tf.sub(tau, mean);
          additions[tensor.variable.name] = tf.mul(pull, strength);
        }
        return additions;
      },
      dispose: () => tf.dispose(projectors.map(({ right }) => right)),
    };
  },
};

/** For each matrix that a reference has a subspace of: all V side by side [in, sum of k], kept on the device. */
function projectorsOf({ tensors, references }: SteeringContext): {
  tensor: SteeredTensor;
  right: tf.Tensor2D;
  /** references that have one */
  count: number;
}[] {
  const projectors = [];
  for (const tensor of tensors.filter(({ isFactor }) => !isFactor)) {
    const found = references.flatMap(({ rightSubspaces }) => rightSubspaces.get(tensor.name) ?? []);
    if (found.length > 0) {
      const right = tf.tidy(() =>
        tf.concat(
          found.map(({ shape, data }) => tf.tensor2d(data, shape as [number, number])),
          1,
        ),
      ) as tf.Tensor2D;
      projectors.push({ tensor, right: tf.keep(right), count: found.length });
    }
  }
  return projectors;
}
