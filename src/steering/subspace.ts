import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { MergeguardError } from '../tensors/errors.js';
import type { GradientTerm, SteeredTensor, SteeringContext, TermInfo } from './term.js';

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
 */
export const subspace: TermInfo = {
  name: 'subspace',
  kind: 'gradient',
  needs: ['references'],
  gradientEvaluations: 0,
  defaultStrength: 0.01,
  measured:
    'avoid, the top-8 right subspaces of the references, strength 1e-2: raw accuracy after merging -1.0 (weight_avg), -1.4 (task_arithmetic 0.3), +0.4 (ties) points, single model -0.5 (zoo, 4 live tasks, 2 seeds); it protects the references a little and costs the live model more',
  parameters,
  start(options, context): GradientTerm {
    const { strength, mode } = parameters.parse(options);
    const leavesOut = adaptedMatrices(context);
    const projectors = projectorsOf(context);
    if (leavesOut !== null && projectors.length === 0) {
      throw new MergeguardError(`it ${leavesOut}, and there is no other; scale_jitter acts on them`);
    }
    return {
      kind: 'gradient',
      leavesOut: leavesOut && `subspace ${leavesOut}`,
      additions() {
        const additions: tf.NamedTensorMap = {};
        for (const { tensor, right, references } of projectors) {
          const tau = tf.sub(tensor.variable, tensor.base()) as tf.Tensor2D;
          // The input side is the rows of a [in, out] kernel and the columns of a [out, in] matrix.
          const inside = tensor.transposed
            ? tf.matMul(right, tf.matMul(right, tau, true, false))
            : tf.matMul(tf.matMul(tau, right), right, false, true);
          const mean = tf.div(inside, references);
          const pull = mode === 'avoid' ? mean : tf.sub(tau, mean);
          additions[tensor.variable.name] = tf.mul(pull, strength);
        }
        return additions;
      },
      dispose: () => tf.dispose(projectors.map(({ right }) => right)),
    };
  },
};

/** Its gradient is that of a matrix; of one with a LoRA adapter only the factors are trained. */
function adaptedMatrices({ tensors, rightSubspaces }: SteeringContext): string | null {
  const adapted = tensors.filter(
    ({ name, isFactor }) => isFactor && rightSubspaces.some((byName) => byName.has(name)),
  );
  if (adapted.length === 0) {
    return null;
  }
  const more = adapted.length > 1 ? ` and ${adapted.length - 1} more` : '';
  return `does not act on matrices with a LoRA adapter (${adapted[0]!.name}${more})`;
}

/** For each matrix that a reference has a subspace of: all V side by side [in, sum of k], kept on the device. */
function projectorsOf({ tensors, rightSubspaces }: SteeringContext): {
  tensor: SteeredTensor;
  right: tf.Tensor2D;
  references: number;
}[] {
  const projectors = [];
  for (const tensor of tensors.filter(({ isFactor }) => !isFactor)) {
    const found = rightSubspaces.map((byName) => byName.get(tensor.name)).filter((v) => v !== undefined);
    if (found.length > 0) {
      const right = tf.tidy(() =>
        tf.concat(
          found.map(({ shape, data }) => tf.tensor2d(data, shape as [number, number])),
          1,
        ),
      ) as tf.Tensor2D;
      projectors.push({ tensor, right: tf.keep(right), references: found.length });
    }
  }
  return projectors;
}
