import type { z } from 'zod';

/** What a term needs beside the live weights and the base. */
export type TermNeed = 'references' | 'loss function';

/**
 * A regularisation term: something added to training that makes the live model easier to merge. Terms of
 * kind `gradient` change the gradients before the optimiser sees them; terms of kind `loss` evaluate the
 * loss at other weights.
 */
export interface TermInfo {
  readonly name: string;
  readonly kind: 'gradient' | 'loss';
  readonly needs: readonly TermNeed[];
  /** gradient evaluations it adds to a step on which it acts */
  readonly gradientEvaluations: number;
  /** strength that was measured, see `measured` */
  readonly defaultStrength: number;
  /** what it was measured to do, with source */
  readonly measured: string;
  /** its configuration; always has `strength`, 0 meaning off */
  readonly parameters: z.ZodObject;
}
