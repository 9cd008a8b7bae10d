import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { MergeguardError } from '../tensors/errors.js';
import type { Random } from '../tensors/random.js';
import { globalDot, globalNorm, type Trained, trainedOf } from './gradient-maps.js';
import { ACT_ON_ADAPTED, adaptedMatrices, needReferences } from './needs.js';
import type { GradientTerm, SteeringReference, TermInfo } from './term.js';
import { termOptions } from './term-options.js';

const parameters = z
  .strictObject({
    strength: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe(
        'share of a conflict that is taken out (project), or size of the pull by that of the gradient (attract); 0 turns the term off',
      ),
    mode: z
      .enum(['project', 'attract'])
      .default('project')
      .describe(
        'project: steps no longer lead against the task vectors of the references; attract: steps lead towards where the losses of the references fall',
      ),
  })
  .describe('turns the gradient so that it agrees with the references');

/**
 * `project`: where a step against g would lower <tau, tau_ref>, that is where <g, tau_ref> > 0, strength times the component
 * of g along tau_ref is taken out, references one after the other in random order: Yu et al. 2020 (PCGrad), arXiv 2001.06782,
 * algorithm 1, with task vectors in the place of the other tasks' gradients (-tau_ref is what the reference descended).
 * `attract`: adds strength ‖g‖ times the mean over references of g_ref / ‖g_ref‖, g_ref the gradient at the reference's
 * own weights. All trained tensors that a reference has count as one vector.
 */
export const alignment: TermInfo = {
  name: 'alignment',
  kind: 'gradient',
  needs: ['references'],
  gradientEvaluations: () => 0,
  defaultStrength: 1,
  measured:
    'project, strength 1: raw accuracy after merging +0.2 (weight_avg), -0.1 (ties), +0.6 (tsv) points, single model -0.1, at 1.4 times the step cost (zoo, 5 fixed references, 2 live tasks, 2 seeds)',
  parameters,
  start(options, { tensors, references, random }): GradientTerm {
    const { mode } = termOptions('alignment', parameters, options);
    const name = `alignment with mode ${mode}`;
    needReferences(name, references);
    const whole = tensors.filter(({ isFactor }) => !isFactor);
    const able =
      mode === 'project'
        ? references
        : references.filter((reference) => tf.tidy(() => whole.some((t) => reference.gradient(t) !== null)));
    const leavesOut = adaptedMatrices(tensors);
    if (whole.length === 0) {
      throw new MergeguardError(`${name} ${leavesOut}, and there is no other; ${ACT_ON_ADAPTED}`);
    }
    if (able.length === 0) {
      throw new MergeguardError(
        `${name} needs references with gradients, and none of ${references.length} has any; mode project works without`,
      );
    }
    return {
      kind: 'gradient',
      leavesOut: leavesOut && `alignment ${leavesOut}`,
      actsOn: null,
      comesLast: false,
      additions(gradients, strength) {
        const trained = trainedOf(whole, gradients);
        return mode === 'project'
          ? withoutConflicts(trained, able, strength, random)
          : towards(trained, able, strength);
      },
      dispose: () => {},
    };
  },
};

function withoutConflicts(
  trained: readonly Trained[],
  references: readonly SteeringReference[],
  strength: number,
  random: Random,
): tf.NamedTensorMap {
  const additions: tf.NamedTensorMap = {};
  for (const r of random.permutation(references.length)) {
    const theirs = shared(trained, (tensor) => references[r].tau(tensor));
    const along = globalDot(
      theirs.map(({ tensor, gradient, other }) => {
        const added = additions[tensor.variable.name];
        return [added ? tf.add(gradient, added) : gradient, other];
      }),
    );
    const squared = globalDot(theirs.map(({ other }) => [other, other]));
    const share = tf.mul(tf.divNoNan(tf.relu(along), squared), -strength);
    addAll(additions, theirs, share);
  }
  return additions;
}

function towards(
  trained: readonly Trained[],
  references: readonly SteeringReference[],
  strength: number,
): tf.NamedTensorMap {
  const additions: tf.NamedTensorMap = {};
  const own = globalNorm(trained.map(({ gradient }) => gradient));
  for (const reference of references) {
    const theirs = shared(trained, (tensor) => reference.gradient(tensor));
    const norm = globalNorm(theirs.map(({ other }) => other));
    const share = tf.mul(tf.divNoNan(own, norm), strength / references.length);
    addAll(additions, theirs, share);
  }
  return additions;
}

interface Shared extends Trained {
  /** what the reference has of the tensor */
  readonly other: tf.Tensor;
}

function shared(
  trained: readonly Trained[],
  other: (tensor: Trained['tensor']) => tf.Tensor | null,
): Shared[] {
  return trained.flatMap((entry) => {
    const found = other(entry.tensor);
    return found === null ? [] : [{ ...entry, other: found }];
  });
}

/** additions += share * what the reference has */
function addAll(additions: tf.NamedTensorMap, theirs: readonly Shared[], share: tf.Tensor): void {
  for (const { tensor, other } of theirs) {
    const { name } = tensor.variable;
    const part = tf.mul(other, share);
    additions[name] = additions[name] ? tf.add(additions[name], part) : part;
  }
}
