/**
 * The metrics by what a stream must offer to have them. Task vectors and fast subspaces come with every tick;
 * the others need the slow lane, gradients, or a calibration batch on both sides (METRICS of arXiv 2601.22285).
 */
export const FEATURE_GROUPS = {
  weights: [
    'task_vector_cosine_similarity',
    'task_vector_l2_distance',
    'task_vector_dot_product',
    'weight_space_angle',
    'task_vector_magnitude_ratio',
    'effective_rank',
    'effective_rank_mergeability_score',
    'stable_rank',
    'spectral_gap',
    'singular_value_ratio',
    'layerwise_effective_rank',
    'layerwise_effective_rank_mergeability_score',
    'subspace_overlap',
    'right_subspace_overlap_top_k',
    'interaction_matrix_overlap_top_k',
  ],
  slow: ['singular_value_overlap', 'right_subspace_overlap_bottom_k', 'interaction_matrix_overlap_bottom_k'],
  gradients: [
    'encoder_gradient_cosine_similarity',
    'encoder_gradient_l2_distance',
    'encoder_gradient_dot_product',
  ],
  functional: [
    'activation_l2_distance',
    'activation_cosine_similarity',
    'activation_magnitude_ratio',
    'activation_dot_product',
    'input_gradient_cosine_similarity',
    'input_gradient_l2_distance',
    'input_gradient_dot_product',
  ],
} as const satisfies Record<string, readonly string[]>;

export type FeatureGroup = keyof typeof FEATURE_GROUPS;

const GROUPS = Object.keys(FEATURE_GROUPS) as FeatureGroup[];

/** Every metric that a fingerprint may use. */
export const FEATURES: readonly string[] = GROUPS.flatMap((group) => [...FEATURE_GROUPS[group]]);

/**
 * A variant for every subset that a stream may offer of the asked groups, by name: weights are always there, each
 * other group may be. Groups of which `present` has nothing are left out.
 *
 * @param asked `all`, or names of groups joined by +, e.g. `weights+gradients`
 * @param present metrics that the table has
 * @returns null for a name that is none
 */
export function featureSets(asked: string, present: readonly string[]): Record<string, string[]> | null {
  const names = asked === 'all' ? GROUPS : asked.split('+');
  if (!names.every((name): name is FeatureGroup => Object.hasOwn(FEATURE_GROUPS, name))) {
    return null;
  }
  const has = (group: FeatureGroup) => FEATURE_GROUPS[group].some((name) => present.includes(name));
  const optional = GROUPS.filter((group) => group !== 'weights' && names.includes(group) && has(group));
  const always = names.includes('weights') && has('weights') ? (['weights'] as const) : [];
  const sets: Record<string, string[]> = {};
  for (let mask = 2 ** optional.length - 1; mask >= 0; mask--) {
    const groups = [...always, ...optional.filter((_, bit) => (mask & (1 << bit)) !== 0)];
    if (groups.length > 0) {
      sets[groups.join('+')] = groups
        .flatMap((group) => [...FEATURE_GROUPS[group]] as string[])
        .filter((name) => present.includes(name));
    }
  }
  return sets;
}
