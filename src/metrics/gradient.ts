import { cosine, functionalGram, GRADIENT, type Gram, INPUT_GRADIENT, sumGram } from './gram.js';
import type { Metric, MetricValue } from './metric.js';
import type { GradientRecipe, PairStatistics } from './pair-statistics.js';

type Entry = Pick<Metric, 'name' | 'range' | 'better' | 'meaning'> & {
  /** its value changes when one of the gradients is multiplied by a positive number */
  lengthMatters: boolean;
  of(gram: Gram): MetricValue;
};

function encoderGradient({ lengthMatters, of, ...entry }: Entry): Metric {
  return {
    ...entry,
    family: 'gradient',
    needs: ['gradient'],
    lane: 'fast',
    source: 'arXiv 2601.22285, gradient-based metrics',
    compute(statistics, reference) {
      const obstacle = obstacleTo(statistics, reference, lengthMatters);
      if (obstacle !== undefined) {
        return { value: null, reason: obstacle };
      }
      const gram = sumGram(statistics, reference, GRADIENT);
      return 'reason' in gram ? { value: null, reason: gram.reason } : of(gram);
    },
  };
}

function inputGradient({
  of,
  ...entry
}: Pick<Metric, 'name' | 'range' | 'better' | 'meaning'> & { of(gram: Gram): MetricValue }): Metric {
  return {
    ...entry,
    family: 'gradient',
    needs: ['inputGradient'],
    lane: 'slow',
    source: 'arXiv 2601.22285, gradient-based metrics',
    compute(statistics, reference) {
      const gram = functionalGram(statistics, reference, INPUT_GRADIENT);
      return 'reason' in gram ? { value: null, reason: gram.reason } : of(gram);
    },
  };
}

/**
 * Why the two gradients can't be compared, if so. A factor left in a gradient by mixed precision changes from
 * step to step, so it spoils a moving average in direction too. A different reduction or clipping changes the
 * length by an unknown factor: the cosine stands, distance and dot product do not. Kind, batch and accumulation
 * may differ here; whether a fingerprint may use such metrics is the fingerprint's to say (DESIGN.md, Gradients).
 */
function obstacleTo(
  statistics: PairStatistics,
  reference: number,
  lengthMatters: boolean,
): string | undefined {
  const live = statistics.gradient;
  const stored = statistics.referenceGradients[reference];
  if (statistics.absent.gradient !== undefined) {
    return statistics.absent.gradient;
  }
  if (live === null) {
    return 'no gradient of the live model has been taken yet';
  }
  if (stored === null || stored === undefined) {
    return `reference ${statistics.references[reference]} has no stored gradient`;
  }
  const scaled = [live, stored].filter((recipe) => recipe.lossScale !== 1);
  if (scaled.length > 0) {
    const factors = scaled.map((recipe) => recipe.lossScale).join(' and ');
    return `a loss scale is still multiplied into the gradients (${factors}); unscale them first`;
  }
  return lengthMatters ? differentLengths(live, stored) : undefined;
}

function differentLengths(live: GradientRecipe, stored: GradientRecipe): string | undefined {
  const differences: string[] = [];
  if (live.reduction !== stored.reduction) {
    differences.push(
      `the live one is a ${live.reduction} over the batch, the stored one a ${stored.reduction}`,
    );
  }
  if (live.clipped !== stored.clipped) {
    differences.push(`the ${live.clipped ? 'live' : 'stored'} one is clipped, the other is not`);
  }
  if (differences.length === 0) {
    return undefined;
  }
  return `lengths of the two gradients do not compare: ${differences.join('; ')}`;
}

/**
 * g is the loss gradient with respect to the shared tensors, q that with respect to the inputs, its samples laid end
 * to end; each model on its own task's samples. The two models' samples are different inputs: the study compares
 * their gradients position by position all the same.
 */
export const GRADIENT_METRICS: readonly Metric[] = [
  encoderGradient({
    name: 'encoder_gradient_cosine_similarity',
    range: [-1, 1],
    better: 'higher',
    meaning: 'Whether the two tasks pull the shared weights in the same direction.',
    lengthMatters: false,
    of: (gram) => cosine(gram, GRADIENT.what),
  }),
  encoderGradient({
    name: 'encoder_gradient_l2_distance',
    range: [0, null],
    better: 'lower',
    meaning: 'How far apart the pulls of the two tasks on the shared weights are.',
    lengthMatters: true,
    of: (gram) => ({ value: Math.sqrt(gram.distance) }),
  }),
  encoderGradient({
    name: 'encoder_gradient_dot_product',
    range: [null, null],
    better: 'none',
    meaning: 'Agreement of the two pulls, weighted by how strong both are.',
    lengthMatters: true,
    of: (gram) => ({ value: gram.dot }),
  }),
  inputGradient({
    name: 'input_gradient_cosine_similarity',
    range: [-1, 1],
    better: 'higher',
    meaning: 'Whether the two models are sensitive to the same parts of their inputs.',
    of: (gram) => cosine(gram, INPUT_GRADIENT.what),
  }),
  inputGradient({
    name: 'input_gradient_l2_distance',
    range: [0, null],
    better: 'lower',
    meaning: 'How differently the two models respond to changes of their inputs.',
    of: (gram) => ({ value: Math.sqrt(gram.distance) }),
  }),
  inputGradient({
    name: 'input_gradient_dot_product',
    range: [null, null],
    better: 'none',
    meaning: 'Agreement of the two sensitivities, weighted by how strong both are.',
    of: (gram) => ({ value: gram.dot }),
  }),
];
