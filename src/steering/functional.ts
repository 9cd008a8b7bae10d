import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { MergeguardError } from '../tensors/errors.js';
import { mapGradients } from './gradient-maps.js';
import { atPlace } from './move-weights.js';
import { needReferences, WORKS_WITHOUT } from './needs.js';
import { dueOn, extraEvaluations, SCHEDULE } from './schedule.js';
import { type LossTerm, type SteeringContext, TERM_NEEDS, type TermInfo } from './term.js';
import { termOptions } from './term-options.js';

const parameters = z
  .strictObject({
    strength: z.number().min(0).max(10).default(0).describe('weight of the penalty; 0 turns the term off'),
    samples: z
      .number()
      .int()
      .min(1)
      .default(16)
      .describe('calibration inputs of a reference in one evaluation; fewer where it has fewer'),
    ...SCHEDULE,
  })
  .describe('keeps the hidden activations on inputs of the references what they are in the base');

/** What the base makes of a reference's inputs. */
interface Anchor {
  /** [n, ...] */
  readonly inputs: tf.Tensor;
  /** [n, size] */
  readonly activations: tf.Tensor2D;
  /** [n] 1 / ‖h_base(x)‖², 0 where that is zero */
  readonly weights: tf.Tensor1D;
}

/**
 * Adds strength / 2 times the mean over inputs x of a random reference of ‖h_w(x) - h_base(x)‖² / ‖h_base(x)‖² to the loss, h
 * the hidden activations; an input whose activations are zero in the base does not count. The base's are taken once, at the
 * start. Its evaluation is one of these inputs, not of a training batch, so that it costs less than a gradient evaluation
 * where they are fewer.
 * Source: the activation distance of arXiv 2601.22285, as a penalty.
 */
export const functional: TermInfo = {
  name: 'functional',
  kind: 'loss',
  needs: ['loss function', 'references', 'reference samples', 'activations'],
  gradientEvaluations: (options) => extraEvaluations(parameters.parse(options)),
  defaultStrength: 0.01,
  measured:
    'strength 1e-2: raw accuracy after merging +0.1 (weight_avg), +0.1 (ties), +0.1 (tsv) points, single model +0.1, at 1.5 times the step cost (zoo, 5 fixed references, 2 live tasks, 2 seeds)',
  parameters,
  start(options, context): LossTerm {
    const { samples, ...schedule } = termOptions('functional', parameters, options);
    const activations = checkedActivations(context);
    const anchors = anchorsOf(context, activations, samples);
    const { random } = context;
    const distance = ({ inputs, activations: base, weights }: Anchor) =>
      tf.tidy(() => {
        const moved = tf.sum(tf.square(tf.sub(activations(inputs), base)), 1);
        return tf.mul(tf.mean(tf.mul(moved, weights)), 0.5) as tf.Scalar;
      });
    return {
      kind: 'loss',
      form: 'added',
      usesPlain: false,
      due: dueOn(schedule, random),
      evaluate(evaluate, strength) {
        const anchor = anchors[random.integer(anchors.length)];
        return mapGradients(
          evaluate(() => distance(anchor)),
          (gradient) => tf.mul(gradient, strength),
        );
      },
      dispose: () => disposeAnchors(anchors),
    };
  },
};

function checkedActivations({ references, activations }: SteeringContext) {
  needReferences('functional', references);
  const missing = [
    ...(activations === null ? [TERM_NEEDS.activations] : []),
    ...(references.every(({ hasInputs }) => !hasInputs) ? [TERM_NEEDS['reference samples']] : []),
  ];
  if (activations === null || missing.length > 0) {
    throw new MergeguardError(`functional needs ${missing.join(' and ')}; ${WORKS_WITHOUT}`);
  }
  return activations;
}

/** One for each reference that has inputs, kept. */
function anchorsOf(
  { tensors, references }: SteeringContext,
  activations: NonNullable<SteeringContext['activations']>,
  samples: number,
): Anchor[] {
  const anchors: Anchor[] = [];
  const measure = () =>
    tf.tidy(() => {
      for (const inputs of references.flatMap((reference) => reference.inputs ?? [])) {
        const first = tf.slice(inputs, 0, Math.min(samples, inputs.shape[0]));
        const base = activations(first);
        const weights = tf.divNoNan(1, tf.sum(tf.square(base), 1)) as tf.Tensor1D;
        anchors.push({ inputs: tf.keep(first), activations: tf.keep(base), weights: tf.keep(weights) });
      }
    });
  try {
    atPlace(tensors, ({ base }) => base(), measure);
  } catch (error) {
    disposeAnchors(anchors);
    throw error;
  }
  return anchors;
}

function disposeAnchors(anchors: readonly Anchor[]): void {
  tf.dispose(anchors.flatMap(({ inputs, activations, weights }) => [inputs, activations, weights]));
}
