import type { SteeredTerm } from '../../../src/zoo/steering-hook.js';
import type { Recipe } from '../../../src/zoo/train.js';

/** A way to fine-tune that is compared with plain training. */
export interface Variant {
  /** short, without spaces; two of a plan differ in it */
  readonly id: string;
  readonly title: string;
  /** none: plain training, perhaps by another recipe */
  readonly terms: readonly SteeredTerm[];
  /** what differs from the benchmark's fine-tuning */
  readonly recipe?: Partial<Recipe>;
  /**
   * in a whole pool: terms are given the plain models of the other tasks; defaults to no, a pool whose models are all
   * steered knows none of the others. A live model always has its references
   */
  readonly knowsOthers?: boolean;
}

export const PLAIN: Variant = { id: 'plain', title: 'plain', terms: [] };

/** Everything of a variant that its models depend on, beside base, task and seed. */
export function recipeOf(variant: Variant, fineTuning: Recipe): Recipe {
  return { ...fineTuning, ...variant.recipe };
}
