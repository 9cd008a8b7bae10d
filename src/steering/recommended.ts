/** A term with its strength and those of its parameters that matter, written out so that no default changes them. */
export interface RecommendedTerm {
  readonly term: string;
  readonly strength: number;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/**
 * The steering that is recommended where the models to be merged with are there as references: on a fifth of the steps the gradient is
 * taken where a merge with one of them would put the weights. It bears a step size about twice that of plain training.
 * Figures are in docs/steering-benchmark.md (`bench:steer`). Steering is off until it is configured.
 */
export const RECOMMENDED: readonly RecommendedTerm[] = [
  {
    term: 'merge_simulation',
    strength: 0.2,
    parameters: { form: 'in_place', chain: false, low: 0.5, high: 1 },
  },
];

/**
 * For want of references. The jitter stands for the plain evaluation on nine of ten steps; the tenth leaves the tap plain
 * gradients to measure. It gains less, and mostly on fragile tasks.
 */
export const RECOMMENDED_WITHOUT_REFERENCES: readonly RecommendedTerm[] = [
  {
    term: 'scale_jitter',
    strength: 0.9,
    parameters: { form: 'in_place', chain: false, low: 0.5, high: 1.2 },
  },
  { term: 'hold', strength: 1, parameters: {} },
];
