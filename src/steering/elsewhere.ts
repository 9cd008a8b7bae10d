import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import type { Random } from '../tensors/random.js';
import { mapGradients } from './gradient-maps.js';
import { dueOn, FORM, SCHEDULE } from './schedule.js';
import type { LossGradients, LossTerm, SteeredTensor } from './term.js';

/** Parameters of the terms that evaluate the loss where a merge would put the weights. */
export const ELSEWHERE = {
  ...SCHEDULE,
  form: FORM.default('in_place'),
  chain: z
    .boolean()
    .default(false)
    .describe(
      'true: the gradient by the chain rule, smaller as the weights there are scaled; false: the gradient as it is there, which was measured better in place',
    ),
};

interface ElsewhereOptions {
  readonly every: number;
  readonly probability: number;
  readonly from: number;
  readonly form: 'added' | 'in_place';
  readonly chain: boolean;
}

/** A loss evaluated elsewhere. */
export interface Displaced {
  readonly result: LossGradients;
  /** derivative of each tensor's place by its weights, elementwise, to be disposed; or one number for all */
  readonly slopes: readonly tf.Tensor[] | number;
}

/**
 * The loss at another place p(w): added, strength L(p(w)), else in place of L(w). The gradient of a steered tensor is
 * p'(w) times that at p(w) with `chain`, else that at p(w); heads are not moved and get theirs as it is.
 * @param displace evaluates at the place and restores the weights
 */
export function lossElsewhere(
  { form, chain, ...schedule }: ElsewhereOptions,
  tensors: readonly SteeredTensor[],
  random: Random,
  displace: (evaluate: () => LossGradients) => Displaced,
  dispose: () => void = () => {},
): LossTerm {
  const indices = new Map(tensors.map(({ variable }, index) => [variable.name, index]));
  const isAdded = form === 'added';
  return {
    kind: 'loss',
    form: isAdded ? 'added' : 'in place',
    usesPlain: false,
    due: dueOn({ ...schedule, form }, random),
    evaluate(evaluate, strength) {
      const { result, slopes } = displace(() => evaluate());
      const weight = isAdded ? strength : 1;
      const factorOf = (name: string) => {
        const index = chain ? indices.get(name) : undefined;
        if (index === undefined) {
          return weight;
        }
        return typeof slopes === 'number' ? weight * slopes : tf.mul(slopes[index], weight);
      };
      const changed = mapGradients(result, (gradient, name) => tf.mul(gradient, factorOf(name)));
      if (typeof slopes !== 'number') {
        tf.dispose([...slopes]);
      }
      return changed;
    },
    dispose,
  };
}
