/** A term with its strength and those of its parameters that matter, written out so that no default changes them. */
export interface RecommendedTerm {
  readonly term: string;
  readonly strength: number;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/**
 * The steering that is recommended where all models of a pool can be steered: the one that the benchmark's figures are about
 * (`bench:steer`). The jitter stands for the plain evaluation on nine of ten steps; the tenth leaves the tap plain gradients to
 * measure. Steering is off until it is configured.
 */
export const RECOMMENDED: readonly RecommendedTerm[] = [
  {
    term: 'scale_jitter',
    strength: 0.9,
    parameters: { form: 'in_place', chain: false, low: 0.5, high: 1.2 },
  },
  { term: 'hold', strength: 1, parameters: {} },
];
