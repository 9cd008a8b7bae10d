import { z } from 'zod';
import type { Random } from '../tensors/random.js';

/** Parameters of every loss term that say on which steps it acts. */
export const SCHEDULE = {
  every: z.number().int().min(1).default(1).describe('acts on every n-th step'),
  probability: z.number().gt(0).max(1).default(1).describe('chance of acting on such a step'),
  from: z.number().int().min(0).default(0).describe('steps of the run before the first on which it may act'),
};

/** Parameter of those that can stand for the plain evaluation. */
export const FORM = z
  .enum(['added', 'in_place'])
  .describe(
    'added: a second evaluation, added to the plain one; in_place: instead of the plain one, on a share of the steps that is the strength (1 or more: all)',
  );

interface Schedule {
  readonly every: number;
  readonly probability: number;
  /** defaults to 0 */
  readonly from?: number;
  /** defaults to added */
  readonly form?: 'added' | 'in_place';
}

/**
 * Whether a term acts on a step: on steps n - 1, 2n - 1, ... (n is `every`), and on those with `probability`; in place
 * with `probability` times the strength, of which more than 1 counts as 1. Never at strength 0, nor before step `from`.
 */
export function dueOn(
  { every, probability, from = 0, form }: Schedule,
  random: Random,
): (step: number, strength: number) => boolean {
  return (step, strength) => {
    if (strength <= 0 || step < from || step % every !== every - 1) {
      return false;
    }
    const chance = form === 'in_place' ? probability * Math.min(1, strength) : probability;
    return chance >= 1 || random.uniform() < chance;
  };
}

/** Gradient evaluations that such a term costs a step, on average once it has begun. */
export function extraEvaluations({ every, probability, form }: Schedule): number {
  return form === 'in_place' ? 0 : probability / every;
}
